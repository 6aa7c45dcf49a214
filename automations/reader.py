"""Rules out of files: each rule that is in order, and each problem with its line.

A file holds one rule, a list of rules, or several documents of either. What is wrong in one
place hides nothing elsewhere: a file that is broken as YAML says so and the others are
read; a rule that is broken says so and its neighbours are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from automations.rule import Rule
from base import yaml
from base.errors import ConfigurationError, NotFoundError
from base.fields import FormError
from base.problem import FileProblem
from triggers.reading import Limits
from triggers.trigger_form import LIMITS

SUFFIXES = frozenset((".yaml", ".yml"))


@dataclass(frozen=True, slots=True)
class Problem(FileProblem):
    """What is wrong in a file of rules; `automation` is the rule at fault, if its name was read."""

    automation: str | None = None


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule, and the document it stands in."""

    rule: Rule
    file: str
    line: int
    document: yaml.Document


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the files gave, in the order of files and lines."""

    rules: tuple[RuleFile, ...]
    problems: tuple[Problem, ...]
    files: tuple[str, ...]
    """All that were read, also those without a rule in order."""


def read_rules(path: Path, *, relative_to: Path | None = None, limits: Limits = LIMITS) -> Loaded:
    """The rules in a file, or in all YAML files below a directory.

    Files are named relative to `relative_to`, where it is given. Blocks. Raises NotFoundError when there is nothing at `path`.
    """
    if path.is_dir():
        files = sorted(found for found in path.rglob("*") if _is_rules(found, path))
    elif path.exists():
        files = [path]
    else:
        raise NotFoundError(f"there is nothing at {path}", code="path_unknown")
    named = (file.relative_to(relative_to) if relative_to else file for file in files)
    read = ((str(name), _content(file)) for name, file in zip(named, files, strict=True))
    return gather(read, limits)


def gather(files: Iterable[tuple[str, bytes | OSError]], limits: Limits = LIMITS) -> Loaded:
    """The rules in named files. Of two with one name the first stands."""
    rules: list[RuleFile] = []
    problems: list[Problem] = []
    names: list[str] = []
    first: dict[str, RuleFile] = {}
    for file, content in files:
        names.append(file)
        for found in _read(file, content, limits):
            if isinstance(found, Problem):
                problems.append(found)
            elif (other := first.setdefault(found.rule.name, found)) is not found:
                problems.append(_twice(found, other))
            else:
                rules.append(found)
    return Loaded(tuple(rules), tuple(problems), tuple(names))


def _is_rules(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix in SUFFIXES and not hidden and path.is_file()


def _content(file: Path) -> bytes | OSError:
    try:
        with file.open("rb") as opened:
            return opened.read(yaml.MAX_BYTES + 1)
    except OSError as error:
        return error


def _read(file: str, content: bytes | OSError, limits: Limits) -> Iterator[RuleFile | Problem]:
    if isinstance(content, OSError):
        reason = content.strerror or str(content)
        yield Problem(file, 1, 1, "file_unreadable", f"the file cannot be read: {reason}")
        return
    try:
        documents = yaml.read(content, file)
    except ConfigurationError as error:
        line, column = (error.place or "").rsplit(":", 2)[-2:]
        yield Problem(file, int(line), int(column), error.code, error.message, error.hint)
        return
    for document in documents:
        if isinstance(document.value, list):
            for item in document.items():
                yield from _parse(item, limits)
        else:
            yield from _parse(document, limits)


def _parse(document: yaml.Document, limits: Limits) -> Iterator[RuleFile | Problem]:
    try:
        rule = Rule.parse(document.value, limits=limits)
    except FormError as error:
        value = document.value
        name = value.get("name") if isinstance(value, dict) else None
        for complaint in error.complaints:
            here = document.position(document.path(complaint.place), key=complaint.at_key)
            yield Problem(
                document.file,
                here.line,
                here.column,
                complaint.code,
                f"{complaint.place}: {complaint.message}" if complaint.place else complaint.message,
                complaint.hint,
                name if isinstance(name, str) else None,
            )
    else:
        yield RuleFile(rule, document.file, document.position(()).line, document)


def _twice(found: RuleFile, other: RuleFile) -> Problem:
    here = found.document.position(("name",))
    return Problem(
        found.file,
        here.line,
        here.column,
        "name_taken",
        f"there are two rules named `{found.rule.name}`: the other is {other.file}:{other.line}",
        "a rule is its name: choose another",
        found.rule.name,
    )

"""Hooks out of `sources/*.yaml`: each that is in order, and each problem with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base import yaml
from base.errors import ConfigurationError
from base.fields import Complaints, Fields, described
from base.place import within
from base.problem import FileProblem
from events.webhooks.hook import Hook, Surroundings

SUFFIXES = frozenset((".yaml", ".yml"))


@dataclass(frozen=True, slots=True)
class Problem(FileProblem):
    """What is wrong in a file of sources; `hook` is the one at fault, if its name was read."""

    hook: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """The hooks by name, and what is wrong. A file that is broken hides nothing of the others."""

    hooks: Mapping[str, Hook]
    problems: tuple[Problem, ...]


def load_sources(directory: Path, *, around: Surroundings | None = None) -> Sources:
    """The sources in the YAML files of a directory; none where there is no directory.

    Of two hooks with one name the first stands. Blocks; raises nothing for what is in files.
    """
    around = around or Surroundings(directory=directory.parent)
    hooks: dict[str, Hook] = {}
    problems: list[Problem] = []
    files = sorted(directory.iterdir()) if directory.is_dir() else []
    for file in files:
        if file.suffix not in SUFFIXES or file.name.startswith(".") or not file.is_file():
            continue
        for found in _file(file, around, hooks):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                hooks[found.name] = found
    return Sources(hooks, tuple(problems))


def _file(file: Path, around: Surroundings, taken: Mapping[str, Hook]) -> Iterator[Hook | Problem]:
    try:
        with file.open("rb") as opened:
            documents = yaml.read(opened.read(yaml.MAX_BYTES + 1), str(file))
    except OSError as error:
        reason = error.strerror or str(error)
        yield Problem(str(file), 1, 1, "file_unreadable", f"the file cannot be read: {reason}")
        return
    except ConfigurationError as error:
        line, column = (error.place or "").rsplit(":", 2)[-2:]
        yield Problem(str(file), int(line), int(column), error.code, error.message, error.hint)
        return
    for document in documents:
        yield from _document(document, around, taken)


def _document(
    document: yaml.Document, around: Surroundings, taken: Mapping[str, Hook]
) -> Iterator[Hook | Problem]:
    complaints = Complaints("source_invalid")
    value = document.value
    if not isinstance(value, dict):
        complaints.add("", f"a file of sources is a map of fields, not {described(value)}")
        yield from _problems(document, complaints)
        return
    fields = Fields(value, "", complaints, ("webhooks", "kafka"))
    for name in fields.mapping("kafka"):
        complaints.add(
            within("kafka", name),
            "Kafka sources are not supported by this version",
            code="kafka_unsupported",
            at_key=True,
        )
    hooks = fields.mapping("webhooks")
    yield from _problems(document, complaints)
    for name, definition in hooks.items():
        yield from _hook(document, name, definition, around, taken)


def _hook(
    document: yaml.Document,
    name: str,
    definition: Any,
    around: Surroundings,
    taken: Mapping[str, Hook],
) -> Iterator[Hook | Problem]:
    complaints = Complaints("source_invalid")
    place = within("webhooks", name)
    if name in taken:
        complaints.add(
            place,
            f"there are two hooks named `{name}`",
            code="name_taken",
            hint="a hook is its name: choose another",
            at_key=True,
        )
        yield from _problems(document, complaints, name)
        return
    hook = None
    with complaints.kept():
        hook = Hook.parse(name, definition, place, around=around)
    if hook is not None:
        yield hook
    yield from _problems(document, complaints, name)


def _problems(
    document: yaml.Document, complaints: Complaints, hook: str | None = None
) -> Iterator[Problem]:
    for complaint in complaints.found:
        here = document.position(document.path(complaint.place), key=complaint.at_key)
        yield Problem(
            document.file,
            here.line,
            here.column,
            complaint.code,
            f"{complaint.place}: {complaint.message}" if complaint.place else complaint.message,
            complaint.hint,
            hook,
        )

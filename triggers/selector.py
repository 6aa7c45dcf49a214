"""Which events a trigger listens to.

A selector is a type glob (or several), globs over `source` and `subject`, a `match`
pattern and a `where` expression; all that are given must hold. Everything but `where` is
decided here and in the index; `where` is compiled by whoever knows expressions and is
asked last, by whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

from base.errors import ConfigurationError
from events.event import Event
from triggers.branch import Branch, Group, Path
from triggers.condition import AnythingBut, Condition, Exact, Globbed, Numeric
from triggers.glob import OWN, Glob, matches_type
from triggers.matching import compile_branch
from triggers.pattern import Pattern
from triggers.probe import narrows

FIELDS = ("type", "source", "subject", "match", "where")


@dataclass(frozen=True, slots=True)
class Failure:
    """A predicate could not be decided, which counts as no: `code`, and why for people."""

    code: str
    message: str


class Predicate(Protocol):
    """A compiled `where`."""

    def holds(self, event: Event) -> bool | Failure:
        """Never raises: what goes wrong is the answer."""
        ...


CompileWhere = Callable[[str, str], Predicate]
"""Compiles the text of a `where` found at a place; raises ConfigurationError."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Compared by what it means (`normalised`), not by how it was written."""

    types: tuple[Glob, ...] = field(default=(Glob("*"),), compare=False)
    sources: tuple[Glob, ...] = field(default=(), compare=False)
    subjects: tuple[Glob, ...] = field(default=(), compare=False)
    pattern: Pattern | None = field(default=None, compare=False)
    where: str | None = field(default=None, compare=False)
    predicate: Predicate | None = field(default=None, compare=False, repr=False)
    branches: tuple[Branch, ...] = field(init=False, compare=False, repr=False)
    identity: str = field(init=False, repr=False)
    """The normalised form as text: equal if and only if two selectors are."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "branches", self._branches())
        object.__setattr__(self, "identity", json.dumps(self.normalised(), sort_keys=True))

    @classmethod
    def parse(
        cls, form: object, place: str = "selector", compile_where: CompileWhere | None = None
    ) -> Selector:
        """From a type glob, or a mapping with any of `FIELDS`; without `type`, any type.

        Raises ConfigurationError for what is not right, and for a `where` when nobody was
        handed in who could compile it: a guard is never dropped in silence.
        """
        if not isinstance(form, Mapping):
            return cls(types=_globs(form, place))
        for name in form:
            if name not in FIELDS:
                raise _unknown_field(str(name), place)
        where = form.get("where")
        return cls(
            types=_globs(form.get("type", "*"), f"{place}.type"),
            sources=_globs(form["source"], f"{place}.source") if "source" in form else (),
            subjects=_globs(form["subject"], f"{place}.subject") if "subject" in form else (),
            pattern=Pattern.parse(form["match"], f"{place}.match") if "match" in form else None,
            where=where.strip() if isinstance(where, str) else None,
            predicate=_compiled(where, f"{place}.where", compile_where)
            if "where" in form
            else None,
        )

    def matches(self, root: Mapping[str, Any]) -> bool:
        """Whether the root of an event is selected, `where` aside.

        For one-off questions: the index answers for many selectors, `compile` for many events.
        """
        return self.compile()(root)

    def compile(self) -> Callable[[Mapping[str, Any]], bool]:
        """The same question, made ready to be asked often."""
        reaches = [(glob.test(), glob.reaches_own) for glob in self.types]
        judges = [compile_branch(branch) for branch in self.branches]

        def matches(root: Mapping[str, Any]) -> bool:
            event_type = root["type"]
            own = event_type.startswith(OWN)
            for reached, reaches_own in reaches:
                if reached(event_type) and (reaches_own or not own):
                    return any(judge(root) for judge in judges)
            return False

        return matches

    def reaches(self, event_type: str) -> bool:
        """Whether events of this type are listened to at all."""
        return any(matches_type(glob, event_type) for glob in self.types)

    @property
    def is_indexable(self) -> bool:
        """Whether the index can leave it aside for most events without looking closely.

        Where it cannot, each event costs the evaluation of this selector.
        """
        if all(glob.text.strip("*?") for glob in self.types):
            return True
        return all(
            any(narrows(group) for _, groups in branch for group in groups)
            for branch in self.branches
        )

    def normalised(self) -> dict[str, Any]:
        """A JSON form that is the same for selectors that mean the same.

        Order, repetition, dots or nesting, a scalar or a list of one, and `1` or `1.0`
        make no difference. For comparing and storing; it is not the rule language.
        """
        form: dict[str, Any] = {"type": _texts(self.types)}
        if self.sources and Glob("*") not in self.sources:
            form["source"] = _texts(self.sources)
        if self.subjects:
            form["subject"] = _texts(self.subjects)
        if self.pattern is not None:
            form["match"] = _distinct(map(_normal_branch, self.pattern.branches))
        if self.where is not None:
            form["where"] = self.where
        return form

    def _branches(self) -> tuple[Branch, ...]:
        """The pattern's branches, with `source` and `subject` as fields among others."""
        globs = [
            ((name,), tuple(map(Globbed, wanted)))
            for name, wanted in (("source", self.sources), ("subject", self.subjects))
            if wanted
        ]
        branches = self.pattern.branches if self.pattern else ((),)
        return tuple(_with_groups(branch, globs) for branch in branches)


def _with_groups(branch: Branch, extra: Sequence[tuple[Path, Group]]) -> Branch:
    leaves = dict(branch)
    for path, group in extra:
        leaves[path] = (group, *leaves.get(path, ()))
    return tuple(sorted(leaves.items(), key=lambda leaf: leaf[0]))


def _globs(form: object, place: str) -> tuple[Glob, ...]:
    if not isinstance(form, list):
        return (Glob.parse(form, place),)
    if not form:
        raise ConfigurationError(
            "an empty list selects nothing", code="selector_invalid", place=place
        )
    globs = [Glob.parse(item, f"{place}[{number}]") for number, item in enumerate(form)]
    return tuple(dict.fromkeys(globs))


def _compiled(where: object, place: str, compile_where: CompileWhere | None) -> Predicate:
    if not isinstance(where, str) or not where.strip():
        raise ConfigurationError("`where` is an expression", code="selector_invalid", place=place)
    if compile_where is None:
        raise ConfigurationError("`where` has no place here", code="selector_invalid", place=place)
    return compile_where(where, place)


def _unknown_field(name: str, place: str) -> ConfigurationError:
    near = get_close_matches(name, FIELDS, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(FIELDS)}"
    return ConfigurationError(
        f"a selector has no `{name}`", code="selector_invalid", place=place, hint=hint
    )


def _texts(globs: tuple[Glob, ...]) -> list[str]:
    texts = {glob.text for glob in globs}
    if "*" in texts:  # reaches all but the service's own events, for which others may stand
        texts = {"*", *(glob.text for glob in globs if glob.reaches_own)}
    return sorted(texts)


def _distinct(forms: Iterable[Any]) -> list[Any]:
    """Sorted, each once."""
    by_text = {json.dumps(form, sort_keys=True): form for form in forms}
    return [by_text[text] for text in sorted(by_text)]


def _normal_branch(branch: Branch) -> dict[str, Any]:
    return {
        ".".join(path): _distinct(_normal_group(group) for group in groups)
        for path, groups in branch
    }


def _normal_group(group: Group) -> list[Any]:
    return _distinct(map(_normal_condition, group))


def _normal_condition(condition: Condition) -> Any:
    match condition:
        case Exact(value):
            return _normal_value(value)
        case Numeric(low, high) if low == high is not None:
            return _normal_value(low)
        case Numeric():
            return {"numeric": [_normal_value(term) for term in condition.as_json()["numeric"]]}
        case AnythingBut(refused, values):
            return {"anything-but": {refused: _distinct(map(_normal_value, values))}}
        case _:
            return condition.as_json()


def _normal_value(value: Any) -> Any:
    """Whole numbers as integers; true and false as words, for Python holds True to be 1."""
    if isinstance(value, bool):
        return {"boolean": "true" if value else "false"}
    return int(value) if isinstance(value, float) and value.is_integer() else value

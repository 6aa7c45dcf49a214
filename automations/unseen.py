"""Fields that a rule names and no event ever had, and types that never came.

A rule is judged by the types that it listens to, as far as all of them were seen: of those
that never came nothing is known. A field that is said to be optional is told of only where
another of nearly that name was seen, for that it is missing is then a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from automations.finding import Finding, finding
from automations.hearing import Heard, heard
from automations.inspector import of_action
from automations.observed import Observed, Sketch
from automations.reader import RuleFile
from base.place import within
from base.suggest import nearest
from events.expression import Expression
from events.expression_tree import ITEM, FieldPath, reads
from events.expression_words import caret
from triggers.event_trigger import Where
from triggers.glob import OWN, Glob, matches_type
from triggers.key import Key

_NAMED: Final = 8
"""Of the fields that there are, those that a hint names."""


@dataclass(frozen=True, slots=True)
class Named:
    """A field that is named somewhere in a rule, from the root of the event."""

    path: FieldPath
    place: str
    optional: bool = False
    through_lists: bool = False
    """Whether lists on the way are looked into, as patterns do."""
    shown: str = ""
    """An expression and a caret under the field."""


class Unseen:
    """Holds rules against what was seen of events."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._reached: dict[Glob, tuple[str, ...]] = {}
        self._judged: dict[tuple[tuple[str, ...], FieldPath, bool], _Lost | None] = {}

    def findings(self, file: RuleFile) -> Iterator[Finding]:
        """What this rule names and was never seen."""
        told: set[tuple[str, FieldPath]] = set()
        ears = tuple(heard(file.rule, file.document.value["trigger"]))
        for one in ears:
            yield from self._types(file, one)
        for concerned, named in _named(file, ears):
            names = self._types_of(concerned)
            if names and (named.place, named.path) not in told:
                told.add((named.place, named.path))
                yield from self._field(file, named, names)

    def _reaches(self, glob: Glob) -> tuple[str, ...]:
        """The types that were looked at and that this reaches."""
        found = self._reached.get(glob)
        if found is None:
            found = tuple(name for name in self._observed.types if matches_type(glob, name))
            self._reached[glob] = found
        return found

    def _types_of(self, ears: Sequence[Heard]) -> tuple[str, ...]:
        """The types that these hear of; none where some of them are not known."""
        names: dict[str, None] = {}
        for glob in dict.fromkeys(glob for one in ears for glob in one.selector.types):
            if not self._observed.is_whole and glob.shape.exact is None:
                return ()
            found = self._reaches(glob)
            if not found or any(matches_type(glob, name) for name in self._observed.left_out):
                return ()
            names |= dict.fromkeys(found)
        return tuple(names)

    def _types(self, file: RuleFile, one: Heard) -> Iterator[Finding]:
        observed = self._observed
        for place, glob in one.written if observed.types else ():
            is_judged = observed.is_whole or glob.shape.exact is not None
            if not is_judged or glob.text.startswith(OWN) or not glob.text.strip("*?"):
                continue
            if self._reaches(glob) or any(matches_type(glob, name) for name in observed.left_out):
                continue
            meant = nearest(glob.text, observed.types)
            yield finding(
                file,
                "note",
                place,
                "type_never_seen",
                f"no event of the type `{glob.text}` was ever seen",
                f"did you mean `{meant}`?" if meant else "what it names was not looked at",
            )

    def _field(self, file: RuleFile, named: Named, names: tuple[str, ...]) -> Iterator[Finding]:
        lost = self._lost(named, names)
        if lost is None:
            return
        # The service's own events have fields of which it is told that they are not always there.
        optional = named.optional or all(name.startswith(OWN) for name in names)
        if optional and lost.meant is None:
            return
        events = sum(self._observed.types[name].events for name in names)
        of_types = names[0] if len(names) == 1 else f"{len(names)} types"
        yield finding(
            file,
            "warning",
            named.place,
            "field_never_seen",
            f"none of the {events:,} events of {of_types} that were looked at has "
            f"`{lost.spelled}`{named.shown}",
            f"did you mean `{lost.meant}`?" if lost.meant else lost.there,
        )

    def _lost(self, named: Named, names: tuple[str, ...]) -> _Lost | None:
        """What is not found of the field among the events of these types."""
        key = names, named.path, named.through_lists
        if key not in self._judged:
            roots = [self._observed.types[name].root for name in names]
            self._judged[key] = _looked_for(roots, named)
        return self._judged[key]


@dataclass(frozen=True, slots=True)
class _Lost:
    """A field that is not found, what was meant, and what is there instead."""

    spelled: str
    meant: str | None
    there: str


def _looked_for(roots: Sequence[Sketch], named: Named) -> _Lost | None:
    lost = _lost(roots, named)
    if lost is None:
        return None
    at, there = lost
    meant = _meant(named, at, there, roots)
    return _Lost(spelled(named.path[: at + 1]), meant, _those_there(named, at, there))


def _named(file: RuleFile, ears: Sequence[Heard]) -> Iterator[tuple[Sequence[Heard], Named]]:
    """All fields that a rule names, each with the selectors whose events it is a field of."""
    for one in ears:
        for named in _of_selector(one):
            yield (one,), named
    rule = file.rule
    for action in (*rule.actions, *rule.on_resolve):
        for expression in of_action(action):
            for named in _of_expression(expression):
                yield ears, named
    for name in ("throttle", "debounce", "batch"):
        form = rule.definition.get(name)
        if isinstance(form, Mapping) and form.get("per") is not None:
            for named in _of_key(Key.parse(form["per"]), within(name, "per")):
                yield ears, named


def _of_selector(one: Heard) -> Iterator[Named]:
    if isinstance(one.form.get("match"), Mapping):
        yield from _of_pattern(one.form["match"], (), within(one.place, "match"))
    if isinstance(predicate := one.selector.predicate, Where):
        yield from _of_expression(predicate.expression)
    if one.value is not None:
        yield from _of_expression(one.value)
    yield from _of_key(one.per, one.per_place)


def _of_pattern(form: Mapping[str, Any], path: FieldPath, place: str) -> Iterator[Named]:
    for key, value in form.items():
        here = within(place, key)
        if key == "$or":
            for number, alternative in enumerate(value):
                yield from _of_pattern(alternative, path, within(here, number))
        elif isinstance(value, Mapping):
            yield from _of_pattern(value, (*path, *key.split(".")), here)
        else:
            items = value if isinstance(value, list) else [value]
            optional = {"exists": False} in items
            yield Named((*path, *key.split(".")), here, optional, through_lists=True)


def _of_key(key: Key, place: str) -> Iterator[Named]:
    for number, path in enumerate(key.paths):
        here = within(place, number) if len(key.paths) > 1 else place
        yield Named(tuple(path.split(".")), here)


def _of_expression(expression: Expression) -> Iterator[Named]:
    source = expression.source
    for read in reads(expression):
        path = read.path
        if path[0] == "events" and path[1:2] == (ITEM,):
            path = path[1:]
        elif path[0] != "event":
            continue
        line = source.count("\n", 0, read.at) + 1
        column = read.at - source.rfind("\n", 0, read.at)
        shown = caret(source, line, column)
        yield Named(path[1:], expression.place, read.optional, shown=shown)


def _lost(roots: Sequence[Sketch], named: Named) -> tuple[int, Sequence[Sketch]] | None:
    """At which step the field is not found, and what is there instead; None if it may be found."""
    here: Sequence[Sketch] = roots
    for at, step in enumerate(named.path):
        if named.through_lists:
            here = list(_through_lists(here))
        if any(one.is_open for one in here):
            return None
        following = []
        for one in here:
            if step is ITEM:
                if one.items is not None:
                    following.append(one.items)
                elif one.fields:
                    return None  # the values of a map, or its keys
            elif (found := one.fields.get(step)) is not None:
                following.append(found)
            elif any(name.startswith(f"{step}.") for name in one.fields):
                return None  # a name with dots, which patterns take apart
        if not following:
            return at, here
        here = following
    return None


def _through_lists(sketches: Sequence[Sketch]) -> Iterator[Sketch]:
    for one in sketches:
        yield one
        if one.items is not None:
            yield from _through_lists((one.items,))


def _meant(named: Named, at: int, there: Sequence[Sketch], roots: Sequence[Sketch]) -> str | None:
    """The field that was most likely meant: one of nearly that name, or of that name elsewhere."""
    step = named.path[at]
    if step is None:
        return None
    known = dict.fromkeys(name for one in there for name in one.fields)
    if (name := nearest(step, known)) is not None:
        return spelled((*named.path[:at], name))
    for root in roots:
        for path in _ways(root, ()):
            if path[-1] == step and path != named.path[: at + 1]:
                return spelled(path)
    return None


def _ways(sketch: Sketch, before: FieldPath) -> Iterator[FieldPath]:
    """All fields, those further out first."""
    waiting = [(sketch, before)]
    for one, path in waiting:
        for name, below in one.fields.items():
            yield (*path, name)
            waiting.append((below, (*path, name)))
        if one.items is not None:
            waiting.append((one.items, (*path, ITEM)))


def _those_there(named: Named, at: int, there: Sequence[Sketch]) -> str:
    names = sorted({name for one in there for name in one.fields})
    around = spelled(named.path[:at]) or "the event"
    if not names:
        return f"nothing was seen below `{around}`"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"below `{around}` there are {', '.join(names[:_NAMED])}{more}"


def spelled(path: FieldPath) -> str:
    """A path as people write it: `data.items[].sku`."""
    text = ""
    for step in path:
        if step is ITEM:
            text += "[]"
        elif step.replace("_", "a").isalnum():
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text

"""Why a rule did or did not fire on an event, as the rules stand now.

For each trigger of a rule the same conditions are asked that decide in the live service: type,
source, subject and `match`, then `where`. Of what was not met, all is told that the event would
have needed, with what was wanted and what it had.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from automations.ruleset import Live, Ruleset
from events.event import Event, Stored
from triggers.evaluator import LOOPED
from triggers.key import Missing
from triggers.listener import Leaf, Trigger
from triggers.reason import Reason, reasons
from triggers.selector import Failure
from triggers.sink import Fired
from triggers.tree import Placed
from triggers.windows import WindowKey

Guard = Literal["paused", "disabled", "shadow", "too_deep"]

_MENTIONED: Final = re.compile(r"\bevent((?:\.\??[A-Za-z_]\w*)+)(\()?")
_LONGEST: Final = 200
"""Letters of a value that is shown beside an expression."""

_Answer = tuple[tuple[Reason, ...], str | None]
_CLOCK: Final[_Answer] = ((Reason("type", [], None, note="it goes by the clock"),), None)
"""What a trigger says that listens to no events."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A window that an event went to, and the node that says how far it is."""

    key: WindowKey
    node: Placed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule's trigger says of an event.

    `missed` are the conditions that it does not meet; none where it matched. `no_answer` is the
    code of a `where` that could not be decided. `guards` would keep the rule from acting on a
    match. `firing` is the id of the firing that a match leads to by itself and at once; None
    where the trigger remembers, and `windows` are those that the event went to, or where the rule
    gathers what fires.
    """

    automation: str
    trigger: int
    missed: tuple[Reason, ...]
    listens_to_type: bool
    guards: tuple[Guard, ...]
    no_answer: str | None = None
    firing: str | None = None
    windows: tuple[Joined, ...] = ()

    @property
    def matched(self) -> bool:
        return not self.missed


def explain(live: Live, stored: Stored, bounds: Ruleset) -> list[Verdict]:
    """A verdict for each of the rule's triggers."""
    guards = tuple(_guards(live, stored.event, bounds))
    return [
        _verdict(live, number, trigger, stored, guards)
        for number, trigger in enumerate(live.rule.triggers)
    ]


def best(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Of a rule's verdicts those that matched, or else the one that came closest."""
    listed = list(verdicts)
    matched = [verdict for verdict in listed if verdict.matched]
    return matched or [min(listed, key=nearness)]


def nearness(verdict: Verdict) -> tuple[bool, int, str]:
    """Sorts what missed by how little it lacked."""
    return (not verdict.listens_to_type, len(verdict.missed), verdict.automation)


def _guards(live: Live, event: Event, bounds: Ruleset) -> Iterator[Guard]:
    if live.paused:
        yield "paused"
    if not live.rule.enabled:
        yield "disabled"
    if live.rule.shadow:
        yield "shadow"
    if event.depth >= bounds.max_depth(live.rule):
        yield "too_deep"


def _verdict(
    live: Live, number: int, trigger: Trigger, stored: Stored, guards: tuple[Guard, ...]
) -> Verdict:
    """Of several selectors of a trigger, the one that the event meets or came closest to."""
    name, event = live.rule.name, stored.event
    asked = [_asked(leaf, event) for leaf in trigger.leaves] or [_CLOCK]
    met = [leaf for leaf, one in zip(trigger.leaves, asked, strict=False) if not one[0]]
    missed, no_answer = min(asked, key=lambda one: (_is_type(one[0]), len(one[0])))
    firing = None
    waits = live.rule.flow.gathering is not None and "too_deep" not in guards
    untold = "too_deep" in guards and event.type == LOOPED
    plain = not (trigger.nodes or waits or untold)
    if not missed and plain:
        firing = Fired(name, number, None, (stored,)).id
    return Verdict(
        name,
        number,
        missed,
        not _is_type(missed),
        guards,
        no_answer,
        firing,
        tuple(_joined(WindowKey(name, number, "", ""), trigger, met, event)),
    )


def _joined(
    place: WindowKey, trigger: Trigger, met: Iterable[Leaf], event: Event
) -> Iterator[Joined]:
    """Each window once, whatever the number of its members that the event fills."""
    nodes = {one.path: one for one in trigger.nodes if isinstance(one, Placed)}
    found: dict[WindowKey, Joined] = {}
    for leaf in met:
        key = leaf.key.of(event.root()) if leaf.key else None
        if isinstance(key, str) and leaf.path in nodes:
            where = place._replace(path=leaf.path, key=key)
            found[where] = Joined(where, nodes[leaf.path])
    yield from found.values()


def _is_type(missed: tuple[Reason, ...]) -> bool:
    return bool(missed) and missed[0].path == "type"


def _asked(leaf: Leaf, event: Event) -> _Answer:
    """What is missed of a selector, and the code of a `where` that has no answer."""
    selector = leaf.selector
    if missed := reasons(selector, event.root()):
        return missed, None
    answer = True if selector.predicate is None else selector.predicate.holds(event)
    if answer is not True:
        failure = answer if isinstance(answer, Failure) else None
        source = selector.where or ""
        note = failure.message if failure else None
        reason = Reason("where", source, mentioned(source, event), note=note)
        return (reason,), failure.code if failure else None
    key = leaf.key.of(event.root()) if leaf.key else ""
    if leaf.key and isinstance(key, Missing):
        reason = Reason("per", list(leaf.key.paths), None, missing=True, note=key.message)
        return (reason,), key.code
    return (), None


def mentioned(source: str, event: Event) -> dict[str, Any]:
    """What the event has where an expression names it, by the names; long values are cut."""
    found: dict[str, Any] = {}
    for match in _MENTIONED.finditer(source):
        path = match[1].replace("?", "").split(".")[1:]
        if match[2]:
            path = path[:-1]  # the last name is that of a function
        value: Any = event.root()
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        if path:
            found[".".join(path)] = _cut(value)
    return found


def _cut(value: Any) -> Any:
    text = orjson.dumps(value).decode()
    return value if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

"""What a rule brings about, as far as that is known before it happens.

A consequence is an event that is known in part: what depends on the event that set the rule
off is `UNKNOWN`, and fits any condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from automations import notices
from automations.action import Action
from automations.call_action import CallAction
from automations.emit_action import EmitAction
from automations.notify_action import NotifyAction
from automations.rule import Rule
from automations.run_action import RunAction
from automations.steer_action import SteerAction
from base.place import within
from events.template import literal_parts
from triggers.branch import Path
from triggers.glob import Glob, matches_type
from triggers.matching import Judge, compile_branch
from triggers.selector import Selector


class Unknown:
    """Stands for a value that only an event can tell."""


UNKNOWN: Final = Unknown()

RUN_STATES: Final = (
    "scheduled",
    "pending",
    "running",
    "completed",
    "failed",
    "retrying",
    "timed_out",
    "crashed",
    "late",
    "cancelling",
    "cancelled",
)
_FAILURES: Final = frozenset(("failed", "timed_out", "crashed", "cancelled", "cancelling", "late"))
_OF_RUNS: Final = (
    *("run", "previous", "parameters", "tags", "attempt", "scheduled", "started", "ended"),
    *("duration", "message", "result", "code"),
)
_PAST: Final = {"pause": "paused", "resume": "resumed"}
_LATER_ATTEMPT: Final = 20
TIMER: Final = "ensue.timer.due"

Parts = tuple[str | None, ...]
"""A text of which parts are not known: those are None."""


Kind = Literal["emit", "run", "call", "steer", "retry", "notice", "timer"]


@dataclass(frozen=True, slots=True)
class Consequence:
    """`place` is what of the rule it comes of; `words` say how, as "emits" or "runs"."""

    kind: Kind
    place: str
    type: Parts
    root: Mapping[str, Any]
    words: str
    is_failure: bool = False
    """Whether it comes about only where something goes wrong."""

    @property
    def type_text(self) -> str:
        return "".join("*" if part is None else part for part in self.type)

    def may_reach(self, selector: Selector) -> bool:
        """Whether it may be selected, `where` aside."""
        return any(map(self.may_be_of, selector.types)) and self.may_fit(selector)

    def may_fit(self, selector: Selector) -> bool:
        """Whether it may be selected, its type and `where` aside."""
        return any(
            all(_is_unknown(self.root, path) or judge(self.root) for path, judge in branch)
            for branch in _judges(selector)
        )

    def may_be_of(self, glob: Glob) -> bool:
        """Whether its type may be one that this glob reaches."""
        if None in self.type:
            return _meet(glob.text, self.type)
        return matches_type(glob, self.type_text)


def of_actions(rule: Rule, actions: Sequence[Action]) -> Iterator[Consequence]:
    """What comes of these actions of a rule."""
    for action in actions:
        place = within(action.place, action.kind)
        match action.deed:
            case EmitAction() as deed:
                yield _emitted(rule, deed, place)
            case RunAction() as deed:
                yield from _of_run(rule, deed, place)
            case CallAction() | NotifyAction():
                for outcome in ("succeeded", "failed", "dead"):
                    data = {"action": UNKNOWN, "kind": action.kind, "code": UNKNOWN}
                    data |= dict.fromkeys(("firing", "message", "target"), UNKNOWN)
                    data |= dict.fromkeys(("attempts", "status"), UNKNOWN)
                    yield _told(rule, "call", place, f"{notices.ACTION}{outcome}", data)
            case SteerAction() as deed:
                yield from _of_steering(rule, deed, place)


def of_firing(rule: Rule) -> Iterator[Consequence]:
    """What is told of each firing."""
    fired = ("revision", "firing", "trigger", "key", "count", "events")
    yield _told(rule, "notice", "trigger", notices.FIRED, dict.fromkeys(fired, UNKNOWN))
    if rule.flow.throttle is not None:
        held = dict.fromkeys(("firing", "trigger", "key", "message"), UNKNOWN)
        yield _told(rule, "notice", "throttle", notices.SUPPRESSED, held | {"reason": "throttle"})


def of_timers(rule: Rule) -> Iterator[Consequence]:
    """That its timers ring, if it has any."""
    if rule.flow.gathering is not None or any(trigger.nodes for trigger in rule.triggers):
        rung = ("trigger", "path", "key", "due", "micros", "late")
        yield _told(rule, "timer", "trigger", TIMER, dict.fromkeys(rung, UNKNOWN))


def _emitted(rule: Rule, deed: EmitAction, place: str) -> Consequence:
    parts = tuple(literal_parts(deed.type.source))
    source = deed.source.source
    root: dict[str, Any] = {
        **_unknown_attributes(),
        "source": f"/automations/{rule.name}" if source is None else _known(source),
    }
    for name, template in (("subject", deed.subject), ("data", deed.data)):
        if template.source is not None:
            root[name] = _known(template.source)
    if None not in parts:
        root["type"] = deed.type.source
    return Consequence("emit", place, parts, root, "emits")


def _of_run(rule: Rule, deed: RunAction, place: str) -> Iterator[Consequence]:
    flow = deed.flow.replace("_", "-")
    for state in RUN_STATES:
        data = dict.fromkeys(_OF_RUNS, UNKNOWN) | {
            "flow": flow,
            "state": state,
            "automation": rule.name,
        }
        type_ = f"ensue.run.{state}"
        root = _unknown_attributes() | {"type": type_, "source": f"/flows/{flow}", "data": data}
        root["subject"] = UNKNOWN
        words = f"runs {flow}, which gives"
        yield Consequence("run", place, (type_,), root, words, state in _FAILURES)


def _of_steering(rule: Rule, deed: SteerAction, place: str) -> Iterator[Consequence]:
    words = f"{deed.verb}s, which gives"
    if deed.verb == "retry":
        # What is bounded by a throttle, or answers early attempts only, comes to an end.
        states = RUN_STATES if rule.flow.throttle is None else ()
        for state in states:
            data: dict[str, Any] = dict.fromkeys((*_OF_RUNS, "flow", "automation"), UNKNOWN)
            data |= {"state": state, "attempt": _LATER_ATTEMPT}
            yield _steered("retry", place, f"ensue.run.{state}", data, "retries, which gives")
        return
    past = _PAST.get(deed.verb)
    for one in [f"{deed.what}.{past}"] if past else ["run.cancelling", "run.cancelled"]:
        data = dict.fromkeys((*_OF_RUNS, "flow", "automation", "reason"), UNKNOWN)
        if deed.what == "automation" and deed.verb != "cancel":
            data["automation"] = _known(deed.name.source)
        yield _steered("steer", place, f"ensue.{one}", data, words)


def _steered(
    kind: Kind, place: str, type_: str, data: Mapping[str, Any], words: str
) -> Consequence:
    root = _unknown_attributes() | {"type": type_, "source": UNKNOWN, "subject": UNKNOWN}
    is_failure = data.get("state") in _FAILURES
    return Consequence(kind, place, (type_,), root | {"data": data}, words, is_failure)


def _told(rule: Rule, kind: Kind, place: str, type_: str, data: Mapping[str, Any]) -> Consequence:
    root = {
        **_unknown_attributes(),
        "type": type_,
        "source": notices.source(rule.name),
        "subject": UNKNOWN,
        "data": {"automation": rule.name, **data},
    }
    words = "sends, which gives" if kind == "call" else "gives"
    return Consequence(kind, place, (type_,), root, words, type_.endswith(("dead", "failed")))


def _unknown_attributes() -> dict[str, Any]:
    names = ("id", "time", "correlationid", "causationid", "depth", "type")
    return {"specversion": "1.0", **dict.fromkeys(names, UNKNOWN)}


def _known(value: Any) -> Any:
    """What a template gives, as far as it is literal."""
    if isinstance(value, dict):
        return {name: _known(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    if isinstance(value, str):
        parts = list(literal_parts(value))
        return UNKNOWN if None in parts else "".join(part or "" for part in parts)
    return value


@lru_cache(maxsize=4_096)
def _judges(selector: Selector) -> tuple[tuple[tuple[Path, Judge], ...], ...]:
    """By branch, each field by itself: an event that is known in part is judged field by field."""
    return tuple(
        tuple((path, compile_branch(((path, groups),))) for path, groups in branch)
        for branch in selector.branches
    )


def _is_unknown(value: Any, path: Path) -> bool:
    """Whether what lies at the path, or on the way to it, is not known."""
    if value is UNKNOWN:
        return True
    if isinstance(value, list):
        return any(_is_unknown(item, path) for item in value)
    if isinstance(value, dict) and path:
        return _is_unknown(value.get(path[0]), path[1:])
    return False


def _meet(glob: str, parts: Parts) -> bool:
    """Whether a text that a glob matches may be of these parts."""
    wanted: list[str | None] = [None if one == "*" else one for one in glob]
    given: list[str | None] = []
    for part in parts:
        given += [None] if part is None else list(part)
    # By how much of the glob is used up: where the text so far may stand.
    reached = _over_gaps({0}, given)
    for one in wanted:
        if one is None:
            reached = set(range(min(reached, default=0), len(given) + 1)) if reached else set()
        else:
            fitting = {
                at if given[at] is None else at + 1
                for at in reached
                if at < len(given) and (given[at] is None or one in {"?", given[at]})
            }
            reached = _over_gaps(fitting, given)
    return len(given) in reached


def _over_gaps(places: set[int], given: Sequence[str | None]) -> set[int]:
    """With the places behind an unknown part, which may be empty."""
    found = set(places)
    for at in sorted(places):
        here = at
        while here < len(given) and given[here] is None:
            here += 1
            found.add(here)
    return found

"""Triggers of Prefect: the same waiting, in ours.

| Prefect | here |
|---|---|
| Reactive, once | `event`, with a `throttle` where `within` says how often |
| Reactive, `threshold` | `count` |
| Reactive, `after` | `sequence` |
| Proactive | `absent`, with its `after` |
| compound | `all`, `any`; of any one, a list of triggers |
| sequence | `sequence` |
| metric | `aggregate` |
"""

from __future__ import annotations

from typing import Any

from automations.importing.notes import Notes
from automations.importing.parts import Form, mapped, maps
from automations.importing.prefect_event_trigger import (
    LONG,
    Trigger,
    event_trigger,
    shortened,
)
from automations.importing.prefect_labels import native
from automations.importing.prefect_span import duration, seconds

_ENDED = ["ensue.run.completed", "ensue.run.failed", "ensue.run.timed_out", "ensue.run.crashed"]


def trigger(form: Any, notes: Notes) -> Trigger | None:
    """None, with a note, for what is no trigger."""
    if not isinstance(form, dict):
        notes.missing("the trigger", "it is not a map")
        return None
    for name in form.keys() - _KNOWN:
        notes.at(name).missing(f"`{name}`", "this field is not known")
    kind = form.get("type", "compound" if "require" in form else "event")
    match kind:
        case "event":
            return event_trigger(form, notes)
        case "compound":
            return _compound(form, notes)
        case "sequence":
            return _sequence(form, notes)
        case "metric":
            return _metric(form, notes)
        case _:
            notes.at("type").missing(f"a trigger of the type `{kind}`", "there is none like it")
            return None


_KNOWN = {"type", "id", "match", "match_related", "after", "expect", "for_each", "posture",
          "threshold", "within", "require", "triggers", "metric"}  # fmt: skip


def _compound(form: Form, notes: Notes) -> Trigger | None:
    members = _members(form, notes)
    if not members:
        return None
    number = _required(form.get("require", "all"), len(members), notes.at("require"))
    joined = Trigger({}, own=all(one.own for one in members), key=_common(members))
    if number == 1:
        joined.form = [form for one in members for form in _listed(one.form)]
        return joined
    joined.form = {
        "all" if number == len(members) else "any": [_member(one, notes) for one in members],
        **({} if number == len(members) else {"at_least": number}),
        "within": _span(form, notes),
    }
    return joined


def _required(require: Any, members: int, notes: Notes) -> int:
    if require == "any":
        return 1
    if isinstance(require, int) and 0 < require <= members:
        return int(require)
    if require != "all":
        notes.missing(f"`{require}`", "it is `any`, `all`, or a number of members; all was put")
    return members


def _sequence(form: Form, notes: Notes) -> Trigger | None:
    members = _members(form, notes)
    if not members:
        return None
    steps = [_member(one, notes) for one in members]
    return Trigger(
        {"sequence": steps, "within": _span(form, notes)},
        own=all(one.own for one in members),
        key=_common(members),
    )


def _members(form: Form, notes: Notes) -> list[Trigger]:
    found = [
        child
        for one, here in maps(form.get("triggers"), notes.at("triggers"))
        if (child := trigger(one, here))
    ]
    if not found:
        notes.at("triggers").missing("the trigger", "it has no members")
    if any(_remembers(child) and child.key for child in found):
        notes.differs(
            "`for_each` of a member",
            "Prefect joins members whatever their labels; here only those of one key",
        )
    for number, child in enumerate(found):
        if child.throttle:
            child.throttle = None
            notes.at("triggers", number, "within").missing(
                "`within` of a member", "only a rule as a whole has a `throttle`"
            )
    return found


def _remembers(one: Trigger) -> bool:
    return any("event" not in form for form in _listed(one.form))


def _member(one: Trigger, notes: Notes) -> Form | str:
    """As a member of another trigger: a glob, a selector, or a trigger."""
    forms = _listed(one.form)
    if len(forms) > 1:
        return {"any": [_member(Trigger(form), notes) for form in forms]}
    return shortened(forms[0])


def _span(form: Form, notes: Notes) -> str:
    within = seconds(form.get("within"), notes.at("within"))
    if not within:
        notes.at("within").differs("no `within`", f"a span is needed here: {LONG} was put")
    return duration(within) if within else LONG


def _metric(form: Form, notes: Notes) -> Trigger | None:
    """Metrics are of Prefect Cloud; here they are figures over the events of runs."""
    metric = mapped(form.get("metric"), notes.at("metric"))
    bound = metric.get("threshold")
    match metric.get("name"):
        case "successes":
            value, function = "event.type == 'ensue.run.completed'", "ratio"
        case "duration":
            value, function = "event.data.duration", "avg"
        case name:
            notes.at("metric").missing(
                f"the metric `{name}`", "there is no figure like it here", "See `aggregate`."
            )
            return None
    notes.at("metric").differs(
        f"the metric `{metric['name']}`", "it is computed from the ends of runs, as they come"
    )
    if metric.get("firing_for"):
        notes.at("metric", "firing_for").missing(
            "`firing_for`", "a figure counts here at the moment it crosses the bound"
        )
    operator = str(metric.get("operator", ">"))
    if "=" in operator:
        notes.at("metric", "operator").differs(f"`{operator}`", "equal is not beyond here")
    selection = native(form.get("match"), form.get("match_related"), notes)
    return Trigger(
        {
            "aggregate": _ENDED,
            **selection.form(),
            "value": value,
            "function": function,
            "over": duration(seconds(metric.get("range"), notes.at("metric", "range")) or 300),
            "below" if operator.startswith("<") else "above": bound,
        }
    )


def _common(members: list[Trigger]) -> list[str]:
    """What all members are counted by."""
    first = members[0].key
    return first if all(one.key == first for one in members) else []


def _listed(form: Form | list[Form]) -> list[Form]:
    return form if isinstance(form, list) else [form]

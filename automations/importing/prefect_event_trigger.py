"""Event triggers of Prefect: what comes, how often, after what, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from automations.importing.notes import Notes
from automations.importing.parts import Form
from automations.importing.prefect_events import Names, translated
from automations.importing.prefect_labels import ID, NAME, foreign, kinds_of_subject, native
from automations.importing.prefect_span import duration, seconds

MAX_STEPS = 20
LONG = "1d"
"""For what Prefect waits for without an end."""
Span = tuple[float, int, list[str]]
"""`within` in seconds, threshold, key."""


@dataclass(slots=True)
class Trigger:
    """What a rule waits for: `form` is the trigger or a list of them.

    `own` says that its events are the service's own, `key` what it is counted by; both
    matter to the actions. `throttle` stands on the rule.
    """

    form: Form | list[Form]
    own: bool = True
    key: list[str] = field(default_factory=list)
    throttle: Form | None = None


def event_trigger(form: Form, notes: Notes) -> Trigger:
    names = _names(form, "expect", notes)
    selectors = _selectors(form, names, notes)
    own = not names.foreign
    key = _key(form, notes, own=own)
    within = seconds(form.get("within"), notes.at("within"))
    threshold = form.get("threshold")
    threshold = threshold if isinstance(threshold, int) and threshold > 0 else 1
    result = Trigger({}, own=own, key=key)
    if str(form.get("posture", "Reactive")).lower() == "proactive":
        result.form = _absent(form, selectors, (within, threshold, key), notes)
    elif form.get("after"):
        result.form = _afterwards(form, selectors, (within, threshold, key), notes)
    elif threshold > 1:
        result.form = _count(selectors, (within, threshold, key), notes)
    else:
        events = [_with_kind("event", selector) for selector in selectors]
        result.form = events[0] if len(events) == 1 else events
        if within:
            result.throttle = {"at_most": 1, "every": duration(within), **per(key)}
            notes.at("within").differs(
                "`within` with a threshold of one",
                "Prefect then fires once in each such time; a `throttle` does so, and slides",
            )
    return result


def _names(form: Form, field_: str, notes: Notes) -> Names:
    given = form.get(field_) or []
    listed = [str(one) for one in (given if isinstance(given, list) else [given])]
    if listed:
        return translated(listed, notes.at(field_))
    own = kinds_of_subject(form.get("match"))
    return Names(own, ()) if own else Names((), ("*",))


def _selectors(form: Form, names: Names, notes: Notes) -> list[Form]:
    """One for the service's own events, one for foreign ones; at least one in all."""
    match, related = form.get("match"), form.get("match_related")
    selectors = []
    if names.native:
        selection = native(match, related, notes)
        selectors.append({"type": _one(list(names.native)), **selection.form()})
    if names.foreign:
        selection = foreign(match, related, notes)
        selectors.append({"type": _one(list(names.foreign)), **selection.form()})
    return selectors or [{"type": "imported.never"}]


def _single(selectors: list[Form], notes: Notes) -> Form:
    """One selector where a kind of trigger takes only one."""
    if len(selectors) == 1:
        return selectors[0]
    types = [
        t
        for one in selectors
        for t in ([one["type"]] if isinstance(one["type"], str) else one["type"])
    ]
    if any(len(one) > 1 for one in selectors):
        notes.missing(
            "the labels", "the same labels stand elsewhere in Prefect's events and in those sent here",
            "Make it two rules, or say in `where` what is meant.",
        )  # fmt: skip
    return {"type": types}


def _with_kind(kind: str, selector: Form) -> Form:
    """A selector as the trigger it is the subject of."""
    return {kind: selector["type"], **{k: v for k, v in selector.items() if k != "type"}}


def _count(selectors: list[Form], span: Span, notes: Notes) -> Form:
    within, threshold, key = span
    if not within:
        notes.at("within").differs(
            "no `within`", f"counting needs a span here: {LONG} was put", "Choose one."
        )
    else:
        notes.at("within").differs(
            "`within`", "Prefect's spans follow one another, and none begins before the last is over;"
            " here the span slides, and counting starts afresh after a firing",
        )  # fmt: skip
    form = _with_kind("count", _single(selectors, notes))
    return {
        **form,
        "at_least": threshold,
        "within": duration(within) if within else LONG,
        **per(key),
    }


def _afterwards(form: Form, selectors: list[Form], span: Span, notes: Notes) -> Form:
    within, threshold, key = span
    if threshold > MAX_STEPS:
        notes.at("threshold").missing(f"a threshold of {threshold}", f"{MAX_STEPS} steps were put")
    if not within:
        notes.at("within").differs(
            "no `within`", f"a sequence needs a span here: {LONG} was put", "Choose one."
        )
    first = _single(_selectors(form, _names(form, "after", notes), notes), notes)
    then = shortened(_with_kind("event", _single(selectors, notes)))
    steps = [shortened(_with_kind("event", first)), *[then] * min(threshold, MAX_STEPS)]
    return {"sequence": steps, "within": duration(within) if within else LONG, **per(key)}


def _absent(form: Form, selectors: list[Form], span: Span, notes: Notes) -> Form:
    within, threshold, key = span
    if threshold > 1:
        notes.at("threshold").missing(
            f"a threshold of {threshold}", "here an absence is that nothing came, not too little"
        )
    absent = {
        **_with_kind("absent", _single(selectors, notes)),
        "for": duration(within or 10),
        **per(key),
    }
    if form.get("after"):
        first = _single(_selectors(form, _names(form, "after", notes), notes), notes)
        absent["after"] = shortened(_with_kind("event", first))
    else:
        notes.differs(
            "a Proactive trigger without `after`",
            "Prefect fires again for each span without the event; here once for each silence",
        )
    return absent


def _key(form: Form, notes: Notes, *, own: bool) -> list[str]:
    """The paths that `for_each` means. Several are compared together, in the order of their names."""
    labels = form.get("for_each") or []
    paths: list[str] = []
    for label in sorted(str(one) for one in (labels if isinstance(labels, list) else [labels])):
        path = _path(label, own=own)
        if path is None:
            notes.at("for_each").missing(f"`{label}`", "events have no such field here")
        else:
            paths.append(path)
            if label.startswith("related:deployment"):
                notes.at("for_each").differs(f"`{label}`", "flows are told apart, not deployments")
    return list(dict.fromkeys(paths))


def _path(label: str, *, own: bool) -> str | None:
    if label == ID:
        return "subject"
    if label.startswith(("related:flow:", "related:deployment:")) and own:
        return "data.flow" if label.endswith((ID, NAME)) else None
    if own or label.startswith("related:"):
        return None
    return f"data.resource.{label}"


def per(key: list[str]) -> Form:
    return {"per": _one(key)} if key else {}


def _one(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def shortened(form: Form) -> Form | str:
    """A member that is nothing but one type is that type."""
    if form.keys() == {"event"} and isinstance(form["event"], str):
        return form["event"]
    return form

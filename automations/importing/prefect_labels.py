"""Resource labels: which events Prefect lets through, as conditions on ours.

A label's condition is a text or a list of them, of which one must hold; `x*` is a prefix,
`!x` anything but. For foreign events the labels stand under `data.resource` and
`data.related`, as Prefect sends them. For the service's own events they become the fields
that say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from automations.importing.notes import Notes
from automations.importing.prefect_events import RUN, STATE_TYPES, TASK, run_state
from automations.importing.spelling import quoted

ID, NAME, ROLE = "prefect.resource.id", "prefect.resource.name", "prefect.resource.role"
TAG = "prefect.tag."


@dataclass(slots=True)
class Selection:
    """Conditions being gathered: a selector without its types."""

    subjects: list[str] = field(default_factory=list)
    match: dict[str, Any] = field(default_factory=dict)
    where: list[str] = field(default_factory=list)

    def form(self) -> dict[str, Any]:
        form: dict[str, Any] = {}
        if self.subjects:
            form["subject"] = self.subjects[0] if len(self.subjects) == 1 else self.subjects
        if self.match:
            form["match"] = self.match
        if self.where:
            form["where"] = " && ".join(self.where)
        return form

    def data(self, *path: str, wanted: list[Any]) -> None:
        """A condition on the data; a second one on the same field goes into `where`."""
        inner = self.match.setdefault("data", {})
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        if path[-1] in inner:
            place = "event.data" + "".join(f"[{quoted(step)}]" for step in path)
            self.where.append(_any_of(place, wanted))
        else:
            inner[path[-1]] = wanted


def foreign(match: Any, related: Any, notes: Notes) -> Selection:
    """Conditions on the labels of an event that is sent as Prefect sends it."""
    selection = Selection()
    for label, values in _labels(match, notes.at("match")):
        if label == ID and all(_is_glob(value) for value in values):
            selection.subjects = values
        elif conditions := _conditions(values, notes.at("match", label)):
            selection.data("resource", label, wanted=conditions)
    first = True
    for number, one in enumerate(_related(related)):
        place = (
            notes.at("match_related", number)
            if isinstance(related, list)
            else notes.at("match_related")
        )
        labels = {
            label: conditions
            for label, values in _labels(one, place)
            if (conditions := _conditions(values, place.at(label)))
        }
        if labels and first:
            selection.match.setdefault("data", {})["related"] = labels
            first = False
        elif labels:
            every = (
                f"{quoted(k)} in r && {_any_of(f'r[{quoted(k)}]', c)}" for k, c in labels.items()
            )
            selection.where.append(f"event.data.related.exists(r, {' && '.join(every)})")
    return selection


def native(match: Any, related: Any, notes: Notes) -> Selection:
    """Conditions on the service's own events about runs and tasks."""
    selection = Selection()
    for label, values in _labels(match, notes.at("match")):
        _own_label(selection, label, values, notes.at("match", label))
    for number, one in enumerate(_related(related)):
        place = (
            notes.at("match_related", number)
            if isinstance(related, list)
            else notes.at("match_related")
        )
        labels = dict(_labels(one, place))
        if labels:
            _own_related(selection, labels, place)
    return selection


def kinds_of_subject(match: Any) -> tuple[str, ...]:
    """The service's own types that a condition on `prefect.resource.id` alone points to."""
    ids = dict(_labels(match, Notes(""))).get(ID, [])
    if ids and all(one.startswith(RUN) for one in ids):
        return ("ensue.run.*",)
    if ids and all(one.startswith(TASK) for one in ids):
        return ("ensue.task.*",)
    return ()


def _own_label(selection: Selection, label: str, values: list[str], notes: Notes) -> None:
    if label == ID:
        kinds = {f"{RUN}*", f"{TASK}*", "prefect.automation.*", "prefect.*", "*"}
        if not kinds.intersection(values):
            selection.subjects = [value.rpartition(".")[2] or value for value in values]
            notes.missing(
                f"the id {', '.join(values)}",
                "what has this id in Prefect has another one here, so the rule never fires",
                "Put the id that is meant, or take `subject` out.",
            )
    elif label == "prefect.state-name":
        _states(selection, [(value, run_state(value)) for value in values], notes)
    elif label == "prefect.state-type":
        _states(selection, [(v, s) for v in values for s in STATE_TYPES.get(v, (None,))], notes)
    elif label == "prefect.state-message":
        selection.data("message", wanted=_conditions(values, notes))
    elif label == "prefect.run-count" and all(value.isdecimal() for value in values):
        selection.data("attempt", wanted=[int(value) for value in values])
    else:
        notes.missing(
            f"the label `{label}`", "runs have no such thing here", "Say in `where` what is meant."
        )


def _states(selection: Selection, pairs: list[tuple[str, str | None]], notes: Notes) -> None:
    known = list(dict.fromkeys(state for _, state in pairs if state))
    for name in [name for name, state in pairs if not state]:
        notes.missing(f"the state `{name}`", "there is no such state here")
    if known:
        selection.data("state", wanted=known)


def _own_related(selection: Selection, labels: dict[str, list[str]], notes: Notes) -> None:
    role = _role(labels)
    names, ids = labels.get(NAME), labels.get(ID)
    rest = set(labels) - {ROLE, NAME, ID}
    if role == "flow" and names and not ids and not rest:
        wanted = _conditions([name.replace("_", "-") for name in names], notes)
        selection.data("flow", wanted=wanted)
    elif role == "tag" and ids and not names and not rest:
        if conditions := _conditions([one.replace(TAG, "", 1) for one in ids], notes):
            selection.data("tags", wanted=conditions)
    elif role == "deployment" and names and not ids and not rest and all("/" in n for n in names):
        flows = [name.split("/")[0].replace("_", "-") for name in names]
        selection.data("flow", wanted=_conditions(flows, notes))
        notes.differs(
            f"the deployment {', '.join(names)}",
            "there are flows here and no deployments: all runs of the flow are meant",
        )
    else:
        said = ", ".join(f"{label}={'|'.join(values)}" for label, values in labels.items())
        notes.missing(
            f"what is related ({said})",
            "runs say their flow and their tags here, by name",
            "Put `match: {data: {flow: [name]}}` or `{data: {tags: [tag]}}`.",
        )


def _role(labels: dict[str, list[str]]) -> str | None:
    """The role that is asked for, said or seen from the id."""
    if roles := labels.get(ROLE):
        return roles[0] if len(roles) == 1 else None
    kinds = {one.split(".")[1] for one in labels.get(ID, []) if one.startswith("prefect.")}
    return kinds.pop() if len(kinds) == 1 else None


def _labels(form: Any, notes: Notes) -> list[tuple[str, list[str]]]:
    if form in (None, {}, []):
        return []
    if not isinstance(form, dict):
        notes.missing("this condition", "labels are a map")
        return []
    return [
        (label, [str(one) for one in (value if isinstance(value, list) else [value])])
        for label, value in form.items()
    ]


def _related(form: Any) -> list[Any]:
    return form if isinstance(form, list) else [form]


def _is_glob(value: str) -> bool:
    """Whether a glob says the same."""
    return (
        not value.startswith("!")
        and not set(value[:-1]) & {"*", "?"}
        and value[-1:] not in {"", "?"}
    )


def _conditions(values: list[str], notes: Notes) -> list[Any]:
    """As a pattern has them. One that can never hold is told."""
    conditions: list[Any] = []
    for value in values:
        negated, text = value.startswith("!"), value.removeprefix("!")
        prefix = text.endswith("*")
        text = text[:-1] if prefix else text
        if prefix and not text:
            if negated:
                notes.missing(f"`{value}`", "nothing is ever like this")
            else:
                conditions.append({"exists": True})
        elif negated:
            conditions.append({"anything-but": {"prefix": text} if prefix else text})
        else:
            conditions.append({"prefix": text} if prefix else text)
    if not values:
        notes.missing("an empty list", "nothing is ever like this")
    return conditions


def _any_of(place: str, conditions: list[Any]) -> str:
    """The same conditions in CEL, over a text or a list of texts."""
    if place.endswith('["tags"]'):
        return f"{place}.exists(t, {_any_of('t', conditions)})"
    tests = [_test(place, condition) for condition in conditions]
    return tests[0] if len(tests) == 1 else f"({' || '.join(tests)})"


def _test(place: str, condition: Any) -> str:
    if not isinstance(condition, dict):
        return f"{place} == {quoted(condition)}"
    if "exists" in condition:
        return "true"
    if "prefix" in condition:
        return f"{place}.startsWith({quoted(condition['prefix'])})"
    refused = condition["anything-but"]
    if isinstance(refused, dict):
        return f"!{place}.startsWith({quoted(refused['prefix'])})"
    return f"{place} != {quoted(refused)}"

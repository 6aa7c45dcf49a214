"""Actions of Prefect: the same deeds, in ours.

Prefect names deployments, blocks and automations by id. What an id stands for here is
given by whoever imports; otherwise a placeholder stands there, and a note. An action that
has no equal becomes an `emit` that carries it, so that something of one's own can do it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.importing.jinja import templated
from automations.importing.notes import Notes
from automations.importing.parts import Form
from automations.importing.prefect_event_trigger import Trigger
from automations.importing.prefect_span import duration, seconds
from automations.importing.spelling import literal

_STATES = {
    "CANCELLED": "cancel",
    "CANCELLING": "cancel",
    "PAUSED": "pause",
    "SCHEDULED": "retry",
}
_KNOWN: Mapping[str, frozenset[str]] = {
    "run-deployment": frozenset(
        ("source", "deployment_id", "parameters", "job_variables", "schedule_after")
    ),
    "send-notification": frozenset(("block_document_id", "subject", "body")),
    "call-webhook": frozenset(("block_document_id", "payload")),
    "change-flow-run-state": frozenset(("state", "name", "message", "force")),
}


@dataclass(frozen=True, slots=True)
class Around:
    """What an action's translation depends on besides itself.

    `names` are what ids stand for here: of a deployment its flow, of a block its channel or
    its URL, of an automation its rule.
    """

    trigger: Trigger
    names: Mapping[str, str]

    @property
    def run(self) -> str:
        """The id of the run that the firing is about."""
        return "${firing.key}" if self.trigger.key == ["subject"] else "${event.subject}"


def action(form: Any, around: Around, notes: Notes) -> Form:
    """Always an action: of what has no equal, an event that says so."""
    if not isinstance(form, dict) or not isinstance(form.get("type"), str):
        notes.missing("this action", "it says no type")
        return {"emit": "prefect.action.unknown", "data": {"action": literal(form)}}
    kind = form["type"]
    for name in form.keys() - _KNOWN.get(kind, form.keys()) - {"type", "id"}:
        notes.at(name).missing(f"`{name}`", "this field is not known")
    match kind:
        case "run-deployment":
            return _run(form, around, notes)
        case "send-notification":
            return _notify(form, around, notes)
        case "call-webhook":
            return _call(form, around, notes)
        case "change-flow-run-state":
            return _change(form, around, notes)
        case _:
            return _command(form, around, notes)


def _run(form: Form, around: Around, notes: Notes) -> Form:
    if form.get("source") == "inferred" or not form.get("deployment_id"):
        return _carried(form, notes, "a flow is named literally here, not found in the event")
    run: Form = {"run": _named(form["deployment_id"], "flow", around, notes.at("deployment_id"))}
    if parameters := form.get("parameters"):
        run["with"] = templated(
            _parameters(parameters, notes.at("parameters")),
            notes.at("parameters"),
            own=around.trigger.own,
        )
    if wait := seconds(form.get("schedule_after"), notes.at("schedule_after")):
        run["delay"] = duration(wait)
    if form.get("job_variables"):
        notes.at("job_variables").missing(
            "`job_variables`", "a run has no infrastructure of its own here", "Choose a `pool`."
        )
    return run


def _parameters(value: Any, notes: Notes) -> Any:
    """Prefect may say of a parameter how it is to be read."""
    if isinstance(value, list):
        return [_parameters(item, notes.at(number)) for number, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    match value.get("__prefect_kind"):
        case None:
            return {key: _parameters(item, notes.at(key)) for key, item in value.items()}
        case "jinja":
            return value.get("template")
        case "json":
            inner = _parameters(value.get("value"), notes)
            try:
                return json.loads(inner) if isinstance(inner, str) else inner
            except ValueError:
                notes.missing("JSON made by a template", "a template makes values here, not JSON")
                return inner
        case kind:
            notes.missing(
                f"a parameter of the kind `{kind}`", "there is none like it", "See `vars`."
            )
            return None


def _notify(form: Form, around: Around, notes: Notes) -> Form:
    block = form.get("block_document_id", "")
    own = around.trigger.own
    title = templated(_said(form.get("subject"), "Automation"), notes.at("subject"), own=own)
    body = form.get("body")
    if not (isinstance(body, str) and body.strip()):
        notes.at("body").differs("a message without a text", "a message has one: it is the title")
        body = None
    return {
        "notify": _named(block, "channel", around, notes.at("block_document_id")),
        "title": title,
        "message": templated(body, notes.at("body"), own=own) if body else title,
    }


def _said(text: Any, otherwise: str) -> str:
    return text if isinstance(text, str) and text.strip() else otherwise


def _call(form: Form, around: Around, notes: Notes) -> Form:
    block = str(form.get("block_document_id", ""))
    if not (url := around.names.get(block)):
        notes.at("block_document_id").missing(
            f"the webhook block {block}", "its URL, method and headers are known to Prefect alone",
            f"Put the URL, or import with `--name {block}=https://…`.",
        )  # fmt: skip
        url = f"https://webhook-block.invalid/{block}"
    call: Form = {"call": url}
    payload = form.get("payload")
    if payload:
        body = templated(payload, notes.at("payload"), own=around.trigger.own)
        call["body"] = _json_or_text(body)
    return call


def _change(form: Form, around: Around, notes: Notes) -> Form:
    state = str(form.get("state", "")).upper()
    if not (deed := _STATES.get(state)):
        return _carried(form, notes, "a run's state is what happened, and is not set from outside")
    _tell_run(around, notes)
    if deed == "pause":
        notes.differs("the state PAUSED", "a run that has begun goes on: one that waits is held")
    for name in ("name", "message", "force"):
        if form.get(name):
            notes.at(name).missing(f"`{name}`", f"`{deed}` says no more than itself")
    return {deed: {"run": around.run}}


def _tell_run(around: Around, notes: Notes) -> None:
    """Prefect finds the run among what an event is related to."""
    if not around.trigger.own:
        notes.differs("the run", "it is the subject of the event, which is to be the id of a run")


def _command(form: Form, around: Around, notes: Notes) -> Form:
    verb, _, what = form["type"].partition("-")
    match verb, what:
        case ("cancel", "flow-run"):
            _tell_run(around, notes)
            return {"cancel": {"run": around.run}}
        case ("suspend", "flow-run"):
            _tell_run(around, notes)
            notes.differs(
                "`suspend-flow-run`", "a run that has begun goes on: one that waits is held"
            )
            return {"pause": {"run": around.run}}
        case ("resume", "flow-run"):
            _tell_run(around, notes)
            return {"resume": {"run": around.run}}
        case ("pause" | "resume", "deployment"):
            notes.differs(f"`{form['type']}`", "the flow is meant here: all its runs wait")
            return {verb: {"flow": _chosen(form, "deployment_id", around, notes)}}
        case ("pause" | "resume", "automation"):
            return {verb: {"automation": _chosen(form, "automation_id", around, notes)}}
        case _:
            return _carried(form, notes, "there is no action like it here")


def _chosen(form: Form, id_: str, around: Around, notes: Notes) -> str:
    kind = "flow" if id_ == "deployment_id" else "rule"
    if form.get("source") != "inferred" and form.get(id_):
        return _named(form[id_], kind, around, notes.at(id_))
    return "${event.data.flow}" if kind == "flow" else "${event.data.automation}"


def _named(id_: Any, kind: str, around: Around, notes: Notes) -> str:
    """What an id stands for here; a placeholder where nobody said."""
    if known := around.names.get(str(id_)):
        return known
    notes.missing(
        f"the {kind} that {id_ or 'no id'} stands for", "an id of Prefect says nothing here",
        f"Put the {kind}'s name, or import with `--name {id_ or 'ID'}=NAME`.",
    )  # fmt: skip
    return f"{kind}-{str(id_)[:8] or 'unknown'}"


def _carried(form: Form, notes: Notes, why: str) -> Form:
    notes.missing(
        f"the action `{form['type']}`", why, "It became an event: let something of yours answer it."
    )
    return {
        "emit": f"prefect.action.{form['type']}",
        "data": {"action": literal({key: item for key, item in form.items() if key != "type"})},
    }


def _json_or_text(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text

"""What other tools call the parts of a rule and its actions, and what does the same here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from base.fields import Complaint
from base.place import within

_WHERE: Final = (
    "a condition stands in the trigger, `trigger: {event: …, where: event.data.total > 100}`, "
    "or on an action, as `if:`"
)
_TRIGGER: Final = "write `trigger: {event: order.created}`"
_ACTIONS: Final = "write `actions: [{run: my-flow}]`"
_FILE: Final = "a file holds rules themselves: one, a list, or several documents"
_KUBERNETES: Final = "this is a resource of Kubernetes; a rule has `name`, `trigger` and `actions`"
_CLOCK: Final = "a clock is a trigger: `trigger: {cron: '0 9 * * mon-fri'}`"

RULE_WORDS: Final[Mapping[str, str]] = {
    "if": _WHERE,
    "when": _WHERE,
    "where": _WHERE,
    "match": "it stands in the trigger: `trigger: {event: …, match: {data: {…}}}`",
    "condition": _WHERE,
    "conditions": _WHERE,
    "filter": _WHERE,
    "on": _TRIGGER,
    "event": _TRIGGER,
    "triggers": "write `trigger:`; it may be a list",
    "do": _ACTIONS,
    "then": _ACTIONS,
    "steps": _ACTIONS,
    "run": _ACTIONS,
    "action": "write `actions:`, a list",
    "sequence": "one event after another is `trigger: {sequence: […], within: 10m}`; what is to be "
    "done stands in `actions`",
    "alias": "write `name:`",
    "id": "a rule is its `name`",
    "title": "write `name:`",
    "hosts": "a rule has `name`, `trigger` and `actions`; what it runs is a flow",
    "sources": "sources have files of their own: sources/*.yaml",
    "rules": _FILE,
    "automations": _FILE,
    "apiVersion": _KUBERNETES,
    "kind": _KUBERNETES,
    "metadata": _KUBERNETES,
    "spec": _KUBERNETES,
    "schedule": _CLOCK,
    "cron": _CLOCK,
    "every": _CLOCK,
    "per": "it stands in the trigger, or in `throttle`, `debounce` or `batch`",
    "within": "it stands in the trigger: `trigger: {count: …, at_least: 3, within: 10m}`",
    "cooldown": "write `throttle: {at_most: 1, every: 30m}`",
    "mode": "`throttle`, `debounce` and `batch` hold back what is too much",
    "paused": "write `enabled: false`",
    "disabled": "write `enabled: false`",
}

_RUN: Final = "write `run: my-flow`, and its parameters as `with: {…}`"
_CALL: Final = "write `call: https://example.com/hook`, with `method`, `headers` and `body`"
_EMIT: Final = "write `emit: order.reviewed`, with `subject` and `data`"
_NOTIFY: Final = "write `notify: team`, with `title` and `message`"
_STEER: Final = "there are `cancel`, `pause`, `resume` and `retry`"

_ACTION_WORDS: Final[Mapping[str, str]] = {
    "flow": _RUN,
    "deployment": _RUN,
    "deployment_id": _RUN,
    "workflow": _RUN,
    "job": _RUN,
    "task": _RUN,
    "script": _RUN,
    "run_playbook": _RUN,
    "run_module": _RUN,
    "run_job_template": _RUN,
    "run_workflow_template": _RUN,
    "service": _RUN,
    "argoWorkflow": _RUN,
    "url": _CALL,
    "http": _CALL,
    "webhook": _CALL,
    "request": _CALL,
    "post": _CALL,
    "event": _EMIT,
    "post_event": _EMIT,
    "set_fact": _EMIT,
    "publish_event": _EMIT,
    "send": _NOTIFY,
    "slack": _NOTIFY,
    "email": _NOTIFY,
    "message": _NOTIFY,
}
_OF_TYPES: Final[Mapping[str, str]] = {
    "run-deployment": _RUN,
    "run-flow": _RUN,
    "call-webhook": _CALL,
    "send-notification": _NOTIFY,
    "cancel-flow-run": "write `cancel: {}`: the run that the event tells of",
    "pause-flow-run": _STEER,
    "resume-flow-run": _STEER,
    "pause-automation": "write `pause: {automation: NAME}`",
    "resume-automation": "write `resume: {automation: NAME}`",
}
"""What `type:` names in Prefect's actions."""

_FIELD_WORDS: Final[Mapping[str, str]] = {
    "parameters": "write `with: {…}`",
    "params": "write `with: {…}`",
    "args": "write `with: {…}`",
    "inputs": "write `with: {…}`",
    "vars": "write `with: {…}`",
    "when": "on an action a condition is `if: event.data.total > 100`",
    "where": "on an action a condition is `if: event.data.total > 100`; `where` stands in a trigger",
    "condition": "on an action a condition is `if: event.data.total > 100`",
    "retries": "a flow says itself how often it is tried: `@flow(retries=3)`",
    "url": "write `call: https://…`",
    "payload": "write `data:` for an event, `body:` for a call, `with:` for a run",
    "type": "`type` is left out: an action is named by what it does, such as `run: my-flow`",
}


def action_meant(entry: Mapping[Any, Any]) -> str | None:
    """What an entry of `actions` was most likely to be that is none."""
    kind = entry.get("type")
    if isinstance(kind, str):
        advice = _OF_TYPES.get(kind.replace("_", "-"), "such as `run: my-flow`")
        return f"`type` is left out: {advice}"
    return next((_ACTION_WORDS[name] for name in entry if name in _ACTION_WORDS), None)


def advised(complaint: Complaint, entry: Mapping[Any, Any], place: str) -> Complaint:
    """A complaint of an action, with the way out where it is a word of another tool."""
    name = complaint.place.removeprefix(f"{place}.")
    if complaint.code == "field_unknown" and name in _FIELD_WORDS:
        return replace(complaint, hint=_FIELD_WORDS[name])
    if complaint.place == within(place, "run") and isinstance(entry["run"], Mapping):
        return replace(complaint, hint=_RUN)
    return complaint

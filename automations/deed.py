"""What an action would have done, told in the words of the rule."""

from __future__ import annotations

from typing import Any, assert_never

import orjson

from automations.action import Action, Rendered
from automations.call_action import Call, CallAction
from automations.comparison import Deed
from automations.emit_action import Emission, EmitAction
from automations.firing import Firing
from automations.notify_action import Notification, NotifyAction
from automations.outcome import ActionFailure, Skipped
from automations.run_action import Launch, RunAction
from automations.steer_action import SteerAction, Steering
from base.time import Micros
from events.event import Event


def deed(
    action: Action, number: int, rendered: Rendered, firing: Firing, *, at: Micros
) -> Deed | None:
    """What the action of this number came to; None where its `if` was false."""
    match rendered:
        case Skipped():
            return None
        case ActionFailure():
            return Deed(action.kind, target(action), at, {}, rendered.code, rendered.message)
        case Launch():
            return Deed("run", rendered.flow, at, _launch_fields(rendered))
        case Emission():
            event = firing.emitted(number, rendered, firing.time)
            return Deed("emit", event.type, at, _event_fields(event))
        case Call():
            return Deed("call", rendered.url, at, _call_fields(rendered))
        case Notification():
            return Deed("notify", str(rendered), at, _notification_fields(rendered))
        case Steering():
            return Deed(rendered.verb, str(rendered), at, {})
        case _:
            assert_never(rendered)


def target(action: Action) -> str:
    """What an action is about, as the rule spells it."""
    match action.deed:
        case RunAction():
            return action.deed.flow
        case EmitAction():
            return str(action.deed.type.source)
        case CallAction():
            return str(action.deed.url.source)
        case NotifyAction() | SteerAction():
            return action.deed.spelled()
        case _:
            assert_never(action.deed)


def _launch_fields(launch: Launch) -> dict[str, Any]:
    return {
        "with": dict(launch.parameters),
        "tags": list(launch.tags),
        "delay": launch.delay,
        "pool": launch.pool,
        "idempotency_key": launch.idempotency_key,
    }


def _event_fields(event: Event) -> dict[str, Any]:
    root = event.root()
    return {name: root[name] for name in ("source", "subject", "data", "time") if name in root}


def _call_fields(call: Call) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "method": call.method,
        "headers": {
            name: value if isinstance(value, str) else value.to_json()
            for name, value in call.headers
        },
    }
    if call.body is not None:
        fields["body"] = _body(call.body)
    return fields


def _notification_fields(notification: Notification) -> dict[str, Any]:
    return {
        "title": notification.title,
        "message": notification.message,
        "tags": list(notification.tags),
    }


def _body(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode()

"""The shapes of the API's answers, as JSON Schema, by the names that routes give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from triggers.standing import KINDS

Schema = Mapping[str, Any]


def _object(required: str = "", **properties: Any) -> Schema:
    shape: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        shape["required"] = required.split()
    return shape


def _list(item: str, **more: Any) -> Schema:
    return _object(
        "items next",
        items={"type": "array", "items": {"$ref": f"#/components/schemas/{item}"}},
        next={"type": ["string", "null"], "description": "`cursor` of the next page"},
        **more,
    )


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


TEXT: Final = {"type": "string"}
NAME: Final = {"type": ["string", "null"]}
TIME: Final = {"type": "string", "format": "date-time"}
WHEN: Final = {"type": ["string", "null"], "format": "date-time"}
COUNT: Final = {"type": "integer", "minimum": 0}
SECONDS: Final = {"type": ["number", "null"], "description": "seconds"}
ANY: Final[Schema] = {}
MAP: Final = {"type": "object", "additionalProperties": True}
FLAG: Final = {"type": "boolean"}
TEXTS: Final = {"type": "array", "items": {"type": "string"}}

_PROBLEMS_OF_FILES: Final = {
    "type": "array",
    "items": _object("file message", file=TEXT, line={"type": ["integer", "null"]}, message=TEXT),
    "description": "what is wrong with the files that these come from",
}

_PROBLEM: Final = _object(
    "type title status code detail",
    type=TEXT,
    title=TEXT,
    status={"type": "integer"},
    code={**TEXT, "description": "stable, for programs"},
    detail={**TEXT, "description": "for people"},
    place={**TEXT, "description": "the field, parameter, header, or file:line:column"},
    hint={**TEXT, "description": "the way out"},
    id={**TEXT, "description": "of what the server's log has on an unexpected error"},
)

_EVENT: Final = {
    **_object(
        "specversion id source type",
        specversion={"const": "1.0"},
        id=TEXT,
        source=TEXT,
        type=TEXT,
        subject=TEXT,
        time=TIME,
        datacontenttype=TEXT,
        dataschema=TEXT,
        data=ANY,
        correlationid={**TEXT, "description": "the first event of the chain"},
        causationid={**TEXT, "description": "the event that caused this one"},
        depth={**COUNT, "description": "firings between the outside world and this event"},
    ),
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
    "description": "CloudEvents 1.0, structured JSON",
}

_AUTOMATION: Final = _object(
    "name status revision firings errors",
    name=TEXT,
    description=NAME,
    status=_one_of("active", "paused", "disabled", "invalid"),
    enabled=FLAG,
    paused=FLAG,
    pause_reason=NAME,
    shadow=FLAG,
    origin=TEXT,
    file=NAME,
    line={"type": ["integer", "null"]},
    revision=COUNT,
    created=TIME,
    updated=TIME,
    firings=COUNT,
    last_fired=WHEN,
    errors={
        **COUNT,
        "description": "conditions without an answer, and firings of which an action failed at once",
    },
    errors_in_a_row={**COUNT, "description": "its last events all were errors, so many of them"},
    last_error=NAME,
    last_error_at=WHEN,
    problem={**MAP, "description": "what is wrong with the newest content; absent if nothing is"},
    problems={"type": "array", "items": MAP},
)

_RUN: Final = _object(
    "id flow state parameters tags attempt created due",
    id=TEXT,
    flow=TEXT,
    state=_one_of(
        "scheduled", "late", "pending", "running", "retrying", "paused", "cancelling",
        "cancelled", "completed", "failed", "timed_out", "crashed", "skipped",
    ),
    parameters={
        **MAP,
        "description": 'above 8 KiB, a list has `{"$ref": "/api/runs/…"}` instead; `result` too',
    },
    tags=TEXTS,
    attempt=COUNT,
    automation=NAME,
    created=TIME,
    due=TIME,
    started=WHEN,
    ended=WHEN,
    duration=SECONDS,
    message=NAME,
    code=NAME,
    result=ANY,
    correlationid=NAME,
    pool=TEXT,
)  # fmt: skip

_ACTION: Final = _object(
    "id firing automation kind status attempts at",
    id=TEXT,
    firing=TEXT,
    automation=TEXT,
    kind=TEXT,
    status=_one_of("done", "skipped", "failed", "waiting", "sending", "dead"),
    attempts=COUNT,
    at=TIME,
    due=WHEN,
    request={"type": ["object", "null"]},
    result={"type": ["object", "null"]},
    code=NAME,
    error=NAME,
)

_FIRING: Final = _object(
    "id automation at outcome events actions",
    id=TEXT,
    automation=TEXT,
    revision=COUNT,
    trigger=COUNT,
    key=ANY,
    at=TIME,
    count=COUNT,
    events=TEXTS,
    outcome=_one_of("acted", "shadow", "suppressed", "looped", "gathered", "resolved"),
    reason=NAME,
    occasion=NAME,
    actions={"type": "array", "items": {"$ref": "#/components/schemas/Action"}},
)

_EXPLAINED_FIRING: Final = {
    "anyOf": [
        {"type": "null"},
        {
            "allOf": [
                {"$ref": "#/components/schemas/Firing"},
                _object(
                    runs={
                        "type": "array",
                        "items": _object("id flow state", id=TEXT, flow=TEXT, state=TEXT),
                    }
                ),
            ]
        },
    ]
}

_STANDING: Final = {
    "path": {**TEXT, "description": "the place of a nested trigger; `#…` is flow control"},
    "kind": _one_of(*KINDS),
    "key": ANY,
    "have": {**COUNT, "description": "matches, steps, members, values or firings"},
    "need": {**COUNT, "description": "how many it takes; 0 where no number is asked for"},
    "until": {
        **WHEN,
        "description": "when what is there stops to count, or when it fires, goes or opens",
    },
    "holds": {**FLAG, "description": "it fired, and has not resolved"},
    "since": {**WHEN, "description": "what a wait counts from"},
    "parts": {
        "type": "array",
        "items": _object("name seen holds", name=TEXT, seen=WHEN, holds=FLAG),
        "description": "members or steps in their order, and when each was seen",
    },
    "measure": {
        "type": ["object", "null"],
        "properties": {
            "function": TEXT,
            "figure": {"type": ["number", "null"], "description": "null: too few values, or many"},
            "above": {"type": "number"},
            "below": {"type": "number"},
        },
        "description": "of an aggregate",
    },
    "suppressed": {
        **COUNT,
        "description": "held back by a throttle since it let the last one pass",
    },
    "events": {**COUNT, "description": "gathered by a debounce or a batch"},
    "more": {**FLAG, "description": "there are more members than are looked at"},
}
"""How a window stands."""

_VERDICT: Final = _object(
    "automation trigger guards conditions firing",
    automation=TEXT,
    trigger=COUNT,
    file=NAME,
    line={"type": ["integer", "null"]},
    guards={
        "type": "array",
        "items": _one_of("paused", "disabled", "shadow", "too_deep"),
        "description": "what keeps the rule from acting on a match",
    },
    changed_since={**FLAG, "description": "the rule was another when the event came in"},
    no_answer={**NAME, "description": "the code of a `where` that could not be decided"},
    conditions={
        "type": "array",
        "items": _object(
            "path wanted actual", path=TEXT, wanted=ANY, actual=ANY, missing=FLAG, note=TEXT
        ),
        "description": "what the event does not meet; none where it matches",
    },
    firing=_EXPLAINED_FIRING,
    windows={
        "type": "array",
        "items": _object(
            "path kind key have need until holds remembered",
            **_STANDING,
            remembered={**FLAG, "description": "the event is still in it"},
        ),
        "description": "where the trigger remembers: the windows that the event went to, as they are now",
    },
)

_WINDOW: Final = _object(
    "automation trigger path kind key have need until holds",
    automation=TEXT,
    trigger=COUNT,
    **_STANDING,
    firing={**NAME, "description": "the firing that told of a condition that holds"},
    listens={**FLAG, "description": "false for a rule that is paused or disabled: no time rings"},
)

_TALLY: Final = {
    "type": ["object", "null"],
    "properties": {
        "automation": TEXT,
        "fired": COUNT,
        "resolved": COUNT,
        "suppressed": COUNT,
        "looped": COUNT,
        "errors": {**COUNT, "description": "conditions without an answer"},
        "last_error": NAME,
        "first": WHEN,
        "last": WHEN,
        "stopped": {**WHEN, "description": "when its breaker would have paused it"},
        "missed": {**COUNT, "description": "firings after that"},
    },
    "description": "what the rule would have done over these events",
}

_CHANGE: Final = _object(
    "automation change fields resets conflict",
    automation=TEXT,
    change=_one_of("created", "updated", "deleted", "unchanged"),
    file=NAME,
    line={"type": ["integer", "null"]},
    fields={
        "type": "array",
        "items": _object("path old new", path=TEXT, old=ANY, new=ANY, added=FLAG, removed=FLAG),
    },
    resets={**FLAG, "description": "what the rule's windows hold is lost"},
    conflict={**NAME, "description": "the file of the project directory that the rule belongs to"},
    before=_TALLY,
    after=_TALLY,
)

SHAPES: Final[Mapping[str, Schema]] = {
    "Problem": _PROBLEM,
    "CloudEvent": _EVENT,
    "EventList": _list("CloudEvent"),
    "Accepted": _object("accepted duplicates ids", accepted=COUNT, duplicates=COUNT, ids=TEXTS),
    "Delivery": {"description": "What the sender sends; the hook says how it becomes an event."},
    "Delivered": _object("id", id=TEXT, ids=TEXTS),
    "Webhook": _object(
        "name url scheme accepted rejected",
        name=TEXT,
        description=TEXT,
        url=TEXT,
        scheme=TEXT,
        last_delivery=WHEN,
        accepted=COUNT,
        duplicate=COUNT,
        rejected=COUNT,
    ),
    "WebhookList": _list("Webhook", problems=_PROBLEMS_OF_FILES),
    "DeliveryRecord": _object(
        "id at status headers size",
        id=TEXT,
        at=TIME,
        status=_one_of("accepted", "duplicate", "rejected"),
        code=NAME,
        message=NAME,
        event_id=NAME,
        remote=NAME,
        headers={"type": "object", "additionalProperties": TEXT},
        size=COUNT,
    ),
    "DeliveryList": _list("DeliveryRecord"),
    "Automation": _AUTOMATION,
    "AutomationList": _list("Automation"),
    "AutomationDetail": {
        "allOf": [
            {"$ref": "#/components/schemas/Automation"},
            _object(definition={"type": ["object", "null"]}),
        ]
    },
    "Window": _WINDOW,
    "WindowList": _list(
        "Window",
        remembers={**FLAG, "description": "whether there is anything that rules could remember"},
    ),
    "Action": _ACTION,
    "ActionList": _list("Action"),
    "Firing": _FIRING,
    "FiringList": _list("Firing"),
    "Explanation": _object(
        "event rules matched missed more_missed other_types other_firings",
        event=_object(
            "id type source position",
            id=TEXT,
            type=TEXT,
            source=TEXT,
            subject=NAME,
            time=TIME,
            received=TIME,
            position=COUNT,
            depth=COUNT,
        ),
        rules={**COUNT, "description": "how many were asked"},
        matched={"type": "array", "items": _VERDICT},
        missed={"type": "array", "items": _VERDICT, "description": "the closest first"},
        more_missed=COUNT,
        other_types={**COUNT, "description": "rules that do not listen to this type"},
        other_firings={
            "type": "array",
            "items": _EXPLAINED_FIRING,
            "description": "by replay, by hand, or by rules that have changed since",
        },
    ),
    "Plan": _object(
        "base since from until events left_out changes problems",
        base={**TEXT, "description": "what the plan rests on; give it to apply"},
        since=TIME,
        until=TIME,
        events={**COUNT, "description": "over how many events old and new were compared"},
        left_out={**COUNT, "description": "events since then that were not looked at: older ones"},
        **{"from": {**WHEN, "description": "when the first of them came in, or `since`"}},
        changes={"type": "array", "items": _CHANGE},
        problems={"type": "array", "items": MAP},
    ),
    "Fields": _object(
        "types left_out whole",
        types={
            "type": "array",
            "items": _object(
                "type events root",
                type=TEXT,
                events={**COUNT, "description": "how many were looked at"},
                root={
                    **MAP,
                    "description": "what they were like, from their root: `fields` by their "
                    "names, `items` of a list, `open` where there is more than is told",
                },
            ),
        },
        left_out={**TEXTS, "description": "types that are stored and were not looked at"},
        whole={**FLAG, "description": "false where there are too many types to know them all"},
    ),
    "Applied": _object(
        "created updated deleted unchanged",
        created=TEXTS,
        updated=TEXTS,
        deleted=TEXTS,
        unchanged=TEXTS,
    ),
    "Fired": _object(
        "firing runs actions",
        firing=TEXT,
        runs=TEXTS,
        actions={"type": "array", "items": {"$ref": "#/components/schemas/Action"}},
    ),
    "Replayed": _object(
        "id firings",
        id=TEXT,
        firings=COUNT,
        firing_ids=TEXTS,
        untold={**TEXTS, "description": "Rules that remember, and do not count an event twice"},
    ),
    "Flow": _object(
        "name status paused parameters",
        name=TEXT,
        description=NAME,
        status=_one_of("active", "paused", "broken"),
        paused=FLAG,
        problem=NAME,
        file=TEXT,
        function=TEXT,
        entrypoint=TEXT,
        parameters={**MAP, "description": "JSON Schema of what it takes"},
        tags=TEXTS,
        retries=COUNT,
        timeout=SECONDS,
        registered=TIME,
        updated=TIME,
    ),
    "FlowList": _list("Flow", problems=_PROBLEMS_OF_FILES),
    "Run": _RUN,
    "RunList": _list("Run"),
    "LogLine": _object(
        "seq at level logger message",
        seq=COUNT,
        attempt=COUNT,
        at=TIME,
        level={"type": "integer", "description": "as in Python's logging: 20 is INFO"},
        logger=TEXT,
        message=TEXT,
        task_run_id=NAME,
    ),
    "LogList": _list("LogLine"),
    "TaskRun": _object(
        "id name state attempt",
        id=TEXT,
        name=TEXT,
        key=TEXT,
        state=TEXT,
        attempt=COUNT,
        started=WHEN,
        ended=WHEN,
        duration=SECONDS,
        message=NAME,
    ),
    "TaskRunList": _list("TaskRun"),
    "Worker": _object(
        "id state pool slots active seen",
        id=TEXT,
        state=_one_of("online", "offline"),
        host=TEXT,
        pid=COUNT,
        pool=TEXT,
        slots=COUNT,
        active={**COUNT, "description": "the runs it has"},
        started=TIME,
        seen=TIME,
    ),
    "WorkerList": _list("Worker"),
    "Health": _object("status", status={"const": "alive"}),
    "Readiness": _object(
        "status",
        status=_one_of("ready", "waiting"),
        waiting={"type": "object", "additionalProperties": TEXT},
    ),
}

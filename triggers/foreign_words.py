"""What other tools call the parts of a trigger, and what does the same here.

Whoever comes from Prefect, Event-Driven Ansible, Argo Events, EventBridge or Home Assistant
writes these first; a hint that leads on is worth more than a list of the fields there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_WHERE: Final = "a condition is `where: event.data.total > 100`, or a `match` on the content"
_RULES: Final = "it stands on the rule, beside `trigger`"
_SPAN: Final = "a span is `within: 10m`"
_MEMBERS: Final = "several at once are `all: […]`, `any: […]` or `sequence: […]`, `within: 10m`"
_PREFECT: Final = "; `ensue import prefect` translates whole automations"

TRIGGER_WORDS: Final[Mapping[str, str]] = {
    "type": "`type` is left out: a trigger is named by its kind, such as `event: order.created`",
    "expect": f"write `event: …`, or `absent: …` for what is to stay away{_PREFECT}",
    "posture": f"Reactive is `event: …` or `count: …`, Proactive `absent: …, for: 10m`{_PREFECT}",
    "threshold": "so many events are `count: order.created, at_least: 3, within: 10m`",
    "for_each": "write `per: data.customer`, or `per: subject`",
    "match_related": "all that an event says is matched alike: `match: {data: {…}}`",
    "require": _MEMBERS,
    "triggers": _MEMBERS,
    "and": "write `all: […]`",
    "or": "write `any: […]`",
    "not": "what is to stay away is `absent: …, for: 10m`",
    "none": "what is to stay away is `absent: …, for: 10m`",
    "dependencies": _MEMBERS,
    "conditions": _WHERE,
    "condition": _WHERE,
    "if": _WHERE,
    "when": _WHERE,
    "filter": _WHERE,
    "filters": _WHERE,
    "platform": "a trigger is named by its kind, such as `event: order.created`",
    "event_type": "write `event: …`",
    "events": "write `event: …`; a list means any of them",
    "eventName": "write `event: …`",
    "topic": "write `event: …`",
    "detail-type": "write `event: …`; `ensue import eventbridge` translates whole rules",
    "detail": "write `match: {data: {…}}`; `ensue import eventbridge` translates whole rules",
    "schedule": "a clock is `cron: '0 9 * * mon-fri'`, `every: 10m`, `rrule: …` or `at: …`",
    "interval": "write `every: 10m`",
    "timeout": _SPAN,
    "window": _SPAN,
    "group_by": "write `per: data.customer`",
    "key": "write `per: data.customer`",
    "webhook": "a webhook is described in sources/*.yaml; a trigger waits for its events",
    "throttle": _RULES,
    "debounce": _RULES,
    "batch": _RULES,
    "enabled": _RULES,
    "actions": _RULES,
}
"""By the word, the way out."""

_TELLING: Final = frozenset(("posture", "threshold", "require", "schedule", "interval"))
"""Words that say more of what is wanted than those beside them."""
_NO_TYPES: Final = frozenset(("event", "compound", "sequence", "metric", "webhook", "schedule"))
"""What other tools call kinds of triggers under `type`."""

_KINDS_OF: Final[Mapping[str, str]] = {
    "count": "count: order.created, at_least: 3, within: 10m",
    "within": "count: order.created, at_least: 3, within: 10m",
    "at_least": "count: order.created, at_least: 3, within: 10m",
    "per": "count: order.created, at_least: 3, within: 10m, per: subject",
    "allowed_lateness": "count: order.created, at_least: 3, within: 10m, allowed_lateness: 5m",
    "for": "absent: heartbeat, for: 10m",
    "after": "absent: order.paid, for: 1h, after: order.created",
    "absent": "absent: heartbeat, for: 10m",
    "expected": "absent: heartbeat, for: 10m, per: subject, expected: [db-1, db-2]",
    "value": "aggregate: request, function: p95, value: event.data.ms, over: 5m, above: 300",
    "function": "aggregate: request, function: p95, value: event.data.ms, over: 5m, above: 300",
    "over": "aggregate: request, function: p95, value: event.data.ms, over: 5m, above: 300",
    "above": "aggregate: request, function: p95, value: event.data.ms, over: 5m, above: 300",
    "below": "aggregate: request, function: p95, value: event.data.ms, over: 5m, below: 300",
    "aggregate": "aggregate: request, function: p95, value: event.data.ms, over: 5m, above: 300",
}
_OF_MEMBERS: Final = frozenset(("sequence", "all", "any"))
_OF_CLOCKS: Final = frozenset(("cron", "every", "rrule", "at", "timezone", "start"))

OF_OTHER_KINDS: Final = frozenset((*_KINDS_OF, *_OF_MEMBERS, *_OF_CLOCKS))
"""Fields that triggers have, and those that fire on each event do not."""


def belongs(name: str) -> str:
    """With what kind of trigger a field goes that does not go with `event`."""
    if name in _OF_CLOCKS:
        return "events and clocks are triggers of their own: `trigger` may be a list"
    if name in _OF_MEMBERS:
        return f"write the events into it: `{name}: [order.created, order.paid], within: 10m`"
    return f"write `{_KINDS_OF[name]}`"


def meant(form: Mapping[Any, Any]) -> str | None:
    """What a form was most likely to be that has no kind: by the first word that tells."""
    wanted = form.get("expect", form.get("event_type", form.get("type")))
    if isinstance(wanted, list) and len(wanted) == 1:
        (wanted,) = wanted
    if isinstance(wanted, str) and wanted not in _NO_TYPES and not {*form} & _TELLING:
        return f"write `event: {wanted}`"
    words = [name for name in form if name in TRIGGER_WORDS]
    telling = [name for name in words if name in _TELLING]
    return next((TRIGGER_WORDS[name] for name in (*telling, *words)), None)


def nested(kind: str, form: Any) -> str | None:
    """The way out where a map stands for a type glob: `absent: {event: heartbeat}`."""
    if not isinstance(form, Mapping):
        return None
    inner = next((form[name] for name in ("event", "type", kind) if name in form), None)
    glob = inner if isinstance(inner, str) else "order.created"
    beside = ", ".join(
        f"`{name}`" for name in form if name in {"match", "where", "source", "subject"}
    )
    return f"write `{kind}: {glob}`" + (f", and {beside} beside it" if beside else "")

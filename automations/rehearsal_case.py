"""A test as it stands beside a rule: what comes in, and what is to come of it.

tests:
- name: three failures of one job
start: 2030-01-01T00:00:00Z
given:
- {at: 0s, type: job.failed, subject: a, data: {env: prod}, repeat: 3, every: 1m}
- {at: 1h}                          # without a type time only passes
expect:
- {at: 2m, run: triage, with: {job: a}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.steer_action import OBJECTS
from base.fields import Complaints, Fields, described
from base.place import within
from base.time import Micros, parse_duration, parse_rfc3339
from events.event import Event

START = "2030-01-01T00:00:00Z"
"""A Tuesday."""

SOURCE = "/test"
MAX_REPEAT = 10_000

TEST_FIELDS = ("name", "start", "given", "expect")
GIVEN_FIELDS = (
    "at",
    "type",
    "source",
    "subject",
    "id",
    "data",
    "time",
    "attributes",
    "repeat",
    "every",
)
EXPECT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "run": ("with", "tags", "delay", "pool", "idempotency_key"),
    "emit": ("source", "subject", "data", "time"),
    "call": ("method", "headers", "body"),
    "notify": ("title", "message", "tags"),
    **dict.fromkeys(OBJECTS, ()),
}
_EXTENSION = re.compile(r"[a-z0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Given:
    """An event at an offset from the start; None where time only passes."""

    at: Micros
    event: Event | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What an action is expected to have done. `at` None is any time, `error` None is none.

    `target` of a `run` is the flow; of a `cancel` it is such as `run r1` or `flow build`.
    """

    kind: str
    target: str
    at: Micros | None
    fields: Mapping[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """A test, read: `given` in the order of time, `expected` complete and in order."""

    name: str
    start: Micros
    given: tuple[Given, ...]
    expected: tuple[Expected, ...]
    place: str

    @classmethod
    def parse(cls, form: Mapping[str, Any], place: str, complaints: Complaints) -> Case:
        fields = Fields(form, place, complaints, TEST_FIELDS)
        start = _time(fields, "start", parse_rfc3339(START))
        for name in ("given", "expect"):
            if not isinstance(form.get(name), list):
                complaints.add(
                    within(place, name) if name in form else place,
                    f"`{name}` is a list of {'events' if name == 'given' else 'what is expected'}",
                    hint="[] is nothing" if name == "expect" else None,
                )
        return cls(
            name=fields.text("name", place),
            start=start,
            given=_given(form.get("given"), within(place, "given"), start, complaints),
            expected=_expected(form.get("expect"), within(place, "expect"), complaints),
            place=place,
        )


def _time(fields: Fields, name: str, default: Micros) -> Micros:
    text = fields.text(name)
    try:
        return parse_rfc3339(text) if text else default
    except ValueError as error:
        fields.complain(name, str(error))
        return default


def _given(entries: Any, place: str, start: Micros, complaints: Complaints) -> tuple[Given, ...]:
    given: list[Given] = []
    at: Micros = 0
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        here = within(place, number)
        if not isinstance(entry, dict):
            complaints.add(here, f"an event is a map, not {described(entry)}")
            continue
        fields = Fields(entry, here, complaints, GIVEN_FIELDS)
        at = fields.duration("at", at)
        every = fields.duration("every", 0)
        repeat = fields.integer("repeat", 1, at_least=1, at_most=MAX_REPEAT)
        for turn in range(repeat):
            event = (
                _event(fields, start + at + turn * every, len(given)) if "type" in entry else None
            )
            given.append(Given(at + turn * every, event))
    return tuple(sorted(given, key=lambda one: one.at))


def _event(fields: Fields, arrival: Micros, number: int) -> Event:
    attributes = fields.mapping("attributes")
    for name, value in attributes.items():
        if not _EXTENSION.fullmatch(name) or not isinstance(value, str | int | bool):
            fields.complain("attributes", f"`{name}` cannot be an attribute of an event")
    data = fields.raw("data")
    return Event(
        id=fields.text("id", f"given-{number + 1}"),
        source=fields.text("source", SOURCE),
        type=fields.text("type", "unknown"),
        subject=fields.text("subject") or None,
        time=min(_event_time(fields, arrival), arrival),
        received=arrival,
        data=data,
        attributes=attributes,
    )


def _event_time(fields: Fields, arrival: Micros) -> Micros:
    """`time` is absolute, or an offset from the arrival such as `-30s`."""
    text = fields.raw("time")
    if text is None:
        return arrival
    try:
        if isinstance(text, str) and text[:1] in {"-", "+"}:
            offset = parse_duration(text[1:])
            return arrival - offset if text[0] == "-" else arrival + offset
        return parse_rfc3339(text)
    except (ValueError, TypeError):
        fields.complain("time", f"{described(text)} is neither a time nor an offset such as -30s")
        return arrival


def _expected(entries: Any, place: str, complaints: Complaints) -> tuple[Expected, ...]:
    expected = []
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        here = within(place, number)
        kinds = [kind for kind in EXPECT_FIELDS if isinstance(entry, dict) and kind in entry]
        if len(kinds) != 1:
            complaints.add(here, f"says one of {', '.join(EXPECT_FIELDS)}")
            continue
        kind = kinds[0]
        fields = Fields(entry, here, complaints, ("at", kind, "error", *EXPECT_FIELDS[kind]))
        expected.append(
            Expected(
                kind=kind,
                target=_target(fields, kind),
                at=fields.duration("at", 0) if "at" in entry else None,
                fields={name: entry[name] for name in EXPECT_FIELDS[kind] if name in entry},
                error=fields.text("error") or None,
            )
        )
    return tuple(expected)


def _target(fields: Fields, kind: str) -> str:
    """What the action is about, spelled as a deed spells it."""
    if kind in OBJECTS:
        return _thing(fields, kind)
    if kind == "notify" and isinstance(given := fields.raw(kind), dict):
        return " ".join(f"{where} {name}" for where, name in given.items())
    return fields.text(kind, required=True)


def _thing(fields: Fields, verb: str) -> str:
    """What is steered, spelled as a deed spells it; `{}` is the run that the event tells of."""
    given = fields.mapping(verb)
    if not given:
        return "run"
    [(what, name), *more] = given.items()
    if more or what not in OBJECTS[verb] or not isinstance(name, str):
        allowed = " or ".join(f"{{{one}: …}}" for one in OBJECTS[verb])
        fields.complain(verb, f"says {allowed}")
    return f"{what} {name}"

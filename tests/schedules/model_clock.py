"""What clocks and flow control mean, each in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from base.time import SECOND, Micros, parse_duration

MINUTE = 60 * SECOND


@dataclass
class Clock:
    """`every` and `cron` in UTC: the times are listed one by one, from when the rule listened."""

    form: Mapping[str, Any]
    due: Micros | None = None

    def begins(self, now: Micros) -> None:
        self.due = self.after(now)

    def after(self, instant: Micros) -> Micros:
        if "every" in self.form:
            every = parse_duration(self.form["every"])
            return (instant // every + 1) * every
        minute = instant // MINUTE + 1
        while not self.is_time(minute):
            minute += 1
        return minute * MINUTE

    def is_time(self, minute: int) -> bool:
        at = datetime.fromtimestamp(minute * 60, UTC)
        fields = self.form["cron"].split()
        values = (at.minute, at.hour, at.day, at.month, at.isoweekday() % 7)
        fits = [_fits(text, value) for text, value in zip(fields, values, strict=True)]
        day = fits[2] or fits[4] if "*" not in (fields[2], fields[4]) else fits[2] and fits[4]
        return fits[0] and fits[1] and day and fits[3]

    def ring(self, due: Micros, now: Micros) -> bool:
        """Whether it fires; times that a stop has missed are made up for as `catch_up` says."""
        if self.due != due:
            return False
        catch_up = self.form.get("catch_up", "latest")
        if catch_up == "all" or now - due <= MINUTE:
            self.due = self.after(due)
            return True
        latest = due
        while (more := self.after(latest)) <= now:
            latest = more
        self.due = self.after(now)
        return catch_up == "latest" or now - latest <= MINUTE


def _fits(text: str, value: int) -> bool:
    def one(part: str) -> bool:
        span, _, step = part.partition("/")
        first, _, last = ("0-59" if span == "*" else span).partition("-")
        within = int(first) <= value <= int(last or (first if not step else 59))
        return within and (value - int(first)) % int(step or 1) == 0

    return any(one(part) for part in text.split(","))


@dataclass
class Firing:
    """What a trigger said, on its way to act."""

    trigger: int
    key: Any
    events: tuple[tuple[Micros, int], ...]
    count: int
    spans: tuple[tuple[tuple[Micros, int], ...], ...] = ()
    subject: Any = None
    """That of the event it goes by."""
    group: Gathered | None = None
    """What it was gathered from."""


@dataclass
class Gathered:
    first: Micros
    due: Micros = 0
    firings: list[Firing] = field(default_factory=list)
    acted: bool | None = None
    """None as long as it waits."""
    cleared: list[int] = field(default_factory=list)
    """Conditions that cleared meanwhile: the numbers of their rows."""


@dataclass
class Flow:
    """Debounce or batch, then the throttle."""

    rule: Mapping[str, Any]
    waiting: dict[Any, Gathered] = field(default_factory=dict)
    passed: dict[Any, list[Micros]] = field(default_factory=dict)

    def _key(self, name: str, one: Firing) -> Any:
        return one.subject if self.rule[name].get("per") else None

    def gathers(self, one: Firing, now: Micros) -> tuple[Gathered | None, Firing | None]:
        """What it waits with, and what goes on to the throttle now."""
        name = next((name for name in ("debounce", "batch") if name in self.rule), None)
        if name is None:
            return None, one
        key = self._key(name, one)
        held = self.waiting.setdefault(key, Gathered(now))
        held.firings.append(one)
        if name == "batch" and len(held.firings) >= self.rule[name]["size"]:
            return held, self._let_go(key)
        form = self.rule[name]
        ends = [
            since + parse_duration(form[span])
            for since, span in ((now, "quiet"), (held.first, "max_wait"), (held.first, "within"))
            if span in form
        ]
        held.due = min(ends)  # as the rule is now: an edit moves no timer that is set
        return held, None

    def timers(self) -> list[tuple[Micros, Any]]:
        return [(held.due, key) for key, held in self.waiting.items()]

    def ring(self, key: Any, due: Micros) -> Firing | None:
        if (due, key) not in self.timers():
            return None
        return self._let_go(key)

    def _let_go(self, key: Any) -> Firing:
        group = self.waiting.pop(key)
        firings = group.firings
        events = tuple(sorted({event for one in firings for event in one.events}))
        count = sum(one.count for one in firings)
        whole = tuple(ref for one in firings for span in (one.events, *one.spans) for ref in span)
        spans = (whole,) if any(one.spans for one in firings) else ()
        return Firing(firings[-1].trigger, key, events, count, spans, group=group)

    def passes(self, one: Firing, now: Micros) -> bool:
        if "throttle" not in self.rule:
            return True
        form = self.rule["throttle"]
        key = self._key("throttle", one)
        since = now - parse_duration(form["every"])
        recent = [at for at in self.passed.get(key, []) if at > since]
        if len(recent) < form.get("at_most", 1):
            self.passed[key] = [*recent, now]
            return True
        return False

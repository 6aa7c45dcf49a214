"""A real service whose wall clock is set while it runs: nothing missed, nothing twice.

The clock is libfaketime's: the service follows a file that says how far its clock is off. Between
two leaps it lives for some seconds; the model is told which times it lived through, and which it
leapt over, and says what should have come due. The clock that nobody sets stays true.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import aiohttp

from tests.chaos.books import Books, Shelf
from tests.chaos.service import Service, ServiceError
from tests.chaos.trial import Outcome
from tests.chaos.verdict import Verdict

LIBRARIES: Final = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketimeMT.1.dylib",
)
ZONE: Final = "Europe/Berlin"
HOUR, DAY = 3_600, 86_400

SPRING: Final = datetime(2027, 3, 28, 1, tzinfo=UTC)
AUTUMN: Final = datetime(2027, 10, 31, 1, tzinfo=UTC)
"""When the clocks of that zone change."""

_SILENCE: Final = 6
_EDGE: Final = 2.0
"""Seconds about a leap in which nobody can say on which side of it something fell."""
_QUIET_WITHIN: Final = 60.0


MISSING: Final = "there is no libfaketime (Debian: apt-get install libfaketime)"


def library() -> Path | None:
    """libfaketime as the system has it; None where it does not."""
    for pattern in LIBRARIES:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return found[0]
    return None


@dataclass(frozen=True, slots=True)
class Course:
    """Where the clock begins, in seconds before the change of the zone's clocks, and its leaps."""

    change: datetime
    before: float
    leaps: Sequence[float]
    lives: float = 8.0
    """Seconds between two leaps."""


# Half-past two does not exist in spring, and exists twice in autumn: both are lived through, leapt
# over, and come again when the clock is set back.
LONG: Final = (
    Course(SPRING, 35 * 60, (HOUR - 10, HOUR, -HOUR, DAY, -DAY, 2 * HOUR, -HOUR, 3 * HOUR, DAY)),
    Course(AUTUMN, 35 * 60, (-HOUR, HOUR, HOUR - 10, -HOUR, HOUR, HOUR, DAY, -DAY, 2 * DAY)),
)
SHORT: Final = (Course(SPRING, 35 * 60, (HOUR, -HOUR, 3 * HOUR, -DAY), lives=7.0),)


class Clock:
    """The clock of the service, in seconds since the epoch, and what it went through."""

    def __init__(self, file: Path, begin: float) -> None:
        self._file = file
        self._off = 0.0
        self.lived: list[tuple[float, float]] = []
        """From when to when, between two leaps."""
        self._since = 0.0
        self.set(begin)

    @property
    def now(self) -> float:
        return time.time() + self._off

    def begin(self) -> None:
        """From now on what comes due counts."""
        self._since = self.now

    def leap(self, seconds: float) -> None:
        self.lived.append((self._since, self.now))
        self.set(self.now + seconds)
        self._since = self.now

    def end(self) -> None:
        self.lived.append((self._since, self.now))

    def set(self, instant: float) -> None:
        self._off = instant - time.time()
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{self._off:+.6f}\n")
        draft.rename(self._file)

    @property
    def passed(self) -> list[tuple[float, float]]:
        """All that was lived through or leapt over, and where it is certain that it was."""
        spans = [(a, b) for a, b in self.lived]
        spans += [
            (end, begin)
            for (_, end), (begin, _) in zip(self.lived, self.lived[1:], strict=False)
            if begin > end
        ]
        merged: list[tuple[float, float]] = []
        for a, b in sorted(spans):
            if merged and a <= merged[-1][1] + _EDGE:
                merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
            else:
                merged.append((a, b))
        return merged


@dataclass(slots=True)
class _Sent:
    """What was sent, by the steady clock."""

    mute: dict[str, float] = field(default_factory=dict)
    """Who spoke once, and when."""
    runs: dict[str, float] = field(default_factory=dict)


class Trial:
    """One course of leaps, on SQLite, which is where a machine has a clock of its own."""

    def __init__(self, course: Course, folder: Path) -> None:
        self.course = course
        self.folder = folder
        found = library()
        assert found is not None, "asked for only where there is one"
        self.clock = Clock(folder / "clock", course.change.timestamp() - course.before)
        environment = {
            "LD_PRELOAD": str(found),
            "DYLD_INSERT_LIBRARIES": str(found),
            "DYLD_FORCE_FLAT_NAMESPACE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        directory = folder / "project"
        self.shelf = Shelf(path=directory / ".ensue" / "ensue.db")
        self.service = Service(directory, self.shelf.address, uuid4().hex, environment=environment)
        self.sent = _Sent()
        self.ticks: list[int] = []
        """When what is counted was, as the service has it."""

    async def run(self) -> list[Verdict]:
        """Raises ServiceError where the service does not do what it was asked to."""
        _write(self.service.directory, self.clock.now)
        try:
            await self.service.start()
            await self._known()
            async with aiohttp.ClientSession() as client:
                await self._live(client)
                await self._quiet(client)
            self.clock.end()
            await self.service.stop()
        finally:
            self.service.sweep()
        self.ticks = await self.shelf.times("tick")
        return list(self._verdicts(await self.shelf.read()))

    async def _known(self) -> None:
        deadline = time.monotonic() + 30
        while not await self.shelf.flows():
            if time.monotonic() > deadline:
                raise ServiceError(f"the flow is not found: {self.service.last_words()}")
            await asyncio.sleep(0.05)
        self.clock.begin()

    async def _live(self, client: aiohttp.ClientSession) -> None:
        for number, leap in enumerate((0.0, *self.course.leaps)):
            if leap:
                self.clock.leap(leap)
            until = time.monotonic() + self.course.lives
            await self._send(client, "mute", f"mute-{number}", self.sent.mute)
            await self._send(client, "go", f"go-{number}", self.sent.runs)
            while time.monotonic() < until or await self._behind(until + _QUIET_WITHIN):
                await self._send(client, "beat", "lively")
                await self._send(client, "tick", "tick")
                await asyncio.sleep(0.5)

    async def _behind(self, deadline: float) -> bool:
        """Whether something is overdue; what a leap missed is made up for one by one."""
        due = await self.shelf.next_timer()
        if due is None or due > (self.clock.now - 1) * 1e6:
            return False
        if time.monotonic() > deadline:
            raise ServiceError(f"a timer is overdue: {_text(due / 1e6)}")
        return True

    async def _quiet(self, client: aiohttp.ClientSession) -> None:
        """All that has to come is there: a silence of each of the mute, and each run's end."""
        wanted = set(self.sent.mute) | set(self.sent.runs)
        deadline = time.monotonic() + _QUIET_WITHIN
        while True:
            await self._send(client, "beat", "lively")
            books = await self.shelf.read()
            there = {e.subject for e in books.events if e.type == "silent"}
            there |= {e.data["name"] for e in books.events if e.type == "ended"}
            if wanted <= there or time.monotonic() > deadline:
                return
            await asyncio.sleep(0.5)

    async def _send(
        self,
        client: aiohttp.ClientSession,
        kind: str,
        subject: str,
        noted: dict[str, float] | None = None,
    ) -> None:
        event = {"type": kind, "subject": subject, "data": {"name": subject}}
        if noted is not None:
            noted[subject] = time.monotonic()
        async with client.post(f"{self.service.url}/api/events", json=event) as answer:
            if answer.status != 202:
                raise ServiceError(f"{answer.status}: {await answer.text()}")

    # -- what should have happened ---------------------------------------------------------

    def _verdicts(self, books: Books) -> Iterator[Verdict]:
        yield self._schedules(books)
        yield self._silences(books)
        yield self._counts(books)
        yield self._runs(books)

    def _schedules(self, books: Books) -> Verdict:
        verdict = Verdict("P10", "every time of every schedule comes once", "times")
        fired: dict[str, Counter[float]] = {name: Counter() for name in _SCHEDULES}
        timers = {e.id: e.data["micros"] / 1e6 for e in books.events if e.type == "ensue.timer.due"}
        for event in books.events:
            if event.type == "ensue.automation.fired" and event.data["automation"] in fired:
                fired[event.data["automation"]][timers[event.causationid or ""]] += 1
        for name, (_, times) in _SCHEDULES.items():
            for due, count in fired[name].items():
                verdict.expect(count == 1, f"{name}: {_text(due)} came {count} times")
            is_made_up_for = name in _MADE_UP_FOR
            spans = self.clock.passed if is_made_up_for else self.clock.lived
            # Only the latest of those that a leap missed comes, and noticing it may take a moment.
            edge = _EDGE if is_made_up_for else 2 * _EDGE
            wanted = set()
            for begin, end in spans:
                wanted |= {due for due in times(begin, end) if begin + edge < due < end - _EDGE}
            for due in sorted(wanted):
                verdict.expect(due in fired[name], f"{name}: {_text(due)} never came")
            possible = {
                due for a, b in self.clock.passed for due in times(a - _EDGE, b + 2 * _EDGE)
            }
            for due in sorted(set(fired[name]) - possible):
                verdict.expect(False, f"{name}: {_text(due)} came, and is none of its times")
        return verdict

    def _silences(self, books: Books) -> Verdict:
        verdict = Verdict("P10", "a silence is told once, and only where there is one", "silences")
        told = Counter(event.subject for event in books.events if event.type == "silent")
        for name in self.sent.mute:
            verdict.expect(
                told[name] == 1, f"{name} fell silent, which was told {told[name]} times"
            )
        verdict.expect(not told["lively"], f"lively was missed {told['lively']} times")
        return verdict

    def _counts(self, books: Books) -> Verdict:
        verdict = Verdict("P10", "what is counted is counted by the clock of its events", "firings")
        expected = _counted(self.ticks)
        told = sum(event.type == "counted" for event in books.events)
        verdict.expect(told == expected, f"{told} firings, and {expected} should be")
        verdict.checked = expected
        return verdict

    def _runs(self, books: Books) -> Verdict:
        verdict = Verdict("P10", "a run with a delay runs once", "runs")
        ended = Counter(e.data["name"] for e in books.events if e.type == "ended")
        for name in self.sent.runs:
            verdict.expect(ended[name] == 1, f"the run of {name} ended {ended[name]} times")
        wrong = [
            e.type for e in books.events if e.type in {"ensue.run.crashed", "ensue.run.retrying"}
        ]
        verdict.expect(not wrong, f"runs were broken off: {wrong}")
        return verdict


def _counted(ticks: Sequence[int]) -> int:
    """How often three were within ten seconds, each counted once, by their times."""
    firings = 0
    window: list[int] = []
    for tick in ticks:
        window = sorted([one for one in window if one >= tick - 70_000_000] + [tick])
        at = window.index(tick)
        runs = [window[first : first + 3] for first in range(max(at - 2, 0), at + 1)]
        if any(len(run) == 3 and run[2] - run[0] <= 10_000_000 for run in runs):
            firings, window = firings + 1, []
    return firings


Times = Callable[[float, float], set[float]]


def _every(seconds: int) -> Times:
    def times(begin: float, end: float) -> set[float]:
        first = int(begin // seconds) * seconds
        return {float(due) for due in range(first, int(end) + 1, seconds) if begin < due <= end}

    return times


def _daily(hour: int, minute: int) -> Times:
    """A time of day in the zone: shifted where it does not exist, the first where it is twice."""

    def times(begin: float, end: float) -> set[float]:
        day = datetime.fromtimestamp(begin, ZoneInfo(ZONE)) - timedelta(days=1)
        found = set()
        while day.timestamp() <= end + DAY:
            due = day.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0).timestamp()
            if begin < due <= end:
                found.add(due)
            day += timedelta(days=1)
        return found

    return times


_SCHEDULES: Final[dict[str, tuple[dict[str, Any], Times]]] = {
    "minutes": ({"every": "5m", "catch_up": "all"}, _every(300)),
    "halves": ({"cron": "*/30 * * * *", "timezone": ZONE, "catch_up": "all"}, _every(1800)),
    "half-past-two": ({"cron": "30 2 * * *", "timezone": ZONE, "catch_up": "all"}, _daily(2, 30)),
    "three": ({"cron": "0 3 * * *", "timezone": ZONE, "catch_up": "all"}, _daily(3, 0)),
    "seconds": ({"every": "2s"}, _every(2)),
}
_MADE_UP_FOR: Final = frozenset(_SCHEDULES) - {"seconds"}


_FLOW: Final = """\
from threading import Event

from ensue import flow


@flow
def go(name: str) -> None:
    Event().wait(6)  # under libfaketime time.sleep fails
"""


def _write(directory: Path, now: float) -> None:
    for name in ("automations", "flows"):
        (directory / name).mkdir(parents=True)
    rules = [
        {
            "name": name,
            "trigger": clock,
            "actions": [{"emit": "came"}],
        }
        for name, (clock, _) in _SCHEDULES.items()
    ]
    rules += [
        {
            "name": "silence",
            "trigger": {"absent": ["beat", "mute"], "for": f"{_SILENCE}s", "per": "subject"},
            "actions": [{"emit": "silent", "subject": "${firing.key}"}],
        },
        {
            "name": "counted",
            "trigger": {"count": "tick", "at_least": 3, "within": "10s"},
            "actions": [{"emit": "counted"}],
        },
        {
            "name": "go",
            "trigger": {"event": "go"},
            "actions": [{"run": "go", "with": {"name": "${event.subject}"}, "delay": "4s"}],
        },
        {
            "name": "ended",
            "trigger": {"event": ["ensue.run.completed", "ensue.run.crashed"]},
            "actions": [{"emit": "ended", "data": {"name": "${event.data.parameters.name}"}}],
        },
    ]
    text = "\n---\n".join(json.dumps(rule) for rule in rules)
    (directory / "automations" / "clock.yaml").write_text(text)
    (directory / "flows" / "go.py").write_text(_FLOW)
    (directory / "ensue.toml").write_text('[runs]\nlease = "6s"\nheartbeat = "2s"\n')


def _text(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat()


async def run(folder: Path, courses: Sequence[Course] = LONG) -> Outcome:
    """All courses, each in a service of its own; the verdicts of all of them."""
    verdicts: list[Verdict] = []
    for number, course in enumerate(courses):
        place = folder / str(number)
        place.mkdir()
        verdicts += await Trial(course, place).run()
    leaps = sum(len(course.leaps) for course in courses)
    return Outcome(verdicts, {"leaps of the clock": str(leaps)})

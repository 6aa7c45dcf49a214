"""One attempt of a run, from the claim to the last line its process said.

    claimed ──▶ launch ──▶ Start on disk ──▶ go ──▶ finished, or the process is gone ──▶ End on disk
                   │            │
                 Release     refused: the process is killed before user code

User code waits for `go`, and `go` waits for the commit of `running`: a run that is still pending
has run nothing, so a lost one can start again without asking anybody.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import orjson

from base.errors import EnsueError, NotFoundError
from base.failpoint import failpoint
from base.logs import logger
from base.time import SECOND, Micros, now
from engine import store, tasks
from engine.channel import RunChannel
from engine.flow import Flow
from engine.launcher import ProcessLauncher
from engine.log_lines import LineCutter, LogLines, instant, storable, without_nul
from engine.recorder import Recorder
from engine.run import OWNED, Run
from engine.state import End, Outcome, Refused, Release, Start, Step, already
from engine.tasks import TaskReport
from engine.zygote_client import Exit, LaunchError
from events import strict_json
from events.change import Change, Lane
from events.codec import event_of
from events.event import Event
from events.journal import Journal
from events.tx import Tx

LEAVE: Final = 10.0
"""Seconds a process may take to go once its flow has ended."""
_OVERTIME: Final = 5.0
"""Seconds beyond a flow's timeout after which its process is killed: it should have seen itself."""
_MOST_ATTEMPTS: Final = 1_000_000
_OUTCOMES: Final = frozenset(get_args(Outcome))
_LEVELS: Final = logging.getLevelNamesMapping()

log = logger("execution")


@dataclass(frozen=True, slots=True)
class Means:
    """What every execution of a worker works with."""

    journal: Journal
    recorder: Recorder
    launcher: ProcessLauncher
    directory: Path
    spawn: Callable[[Any, str], Any]
    grace: float
    """Seconds between asking a process to stop and killing it."""


class Execution:
    """See the module. `follow` runs it; `cancel` and `interrupt` end it early."""

    def __init__(self, run: Run, flow: Flow, means: Means) -> None:
        self.run = run
        self.going = False
        """Whether user code may have begun, or is about to."""
        self._flow = flow
        self._means = means
        self._name = f"{run.id}/{run.attempt}"
        self._lines = LogLines(run.id, run.attempt)
        self._cutters = {"stdout": LineCutter(), "stderr": LineCutter()}
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[End | Release] = self._loop.create_future()
        self._channel: RunChannel | None = None
        self._acknowledge: int | None = None
        self._instead: End | Release | None = None
        """How the run ended by our doing, whatever its process says."""
        self._timers: list[asyncio.TimerHandle] = []

    async def follow(self) -> bool:
        """See the attempt through. False if there was no process for it and it was given back."""
        try:
            channel = self._channel = RunChannel(self)
            channel.send(self._orders())
            failpoint("before_launch")
            process = await self._means.launcher.launch(self._name, channel.child_ends)
        except LaunchError as error:
            if self._channel:
                self._channel.close()
            log.warning("launch_failed", run=self.run.id, problem=error.message)
            await self._means.recorder.record(self.run.id, Release(self.run.attempt))
            return False
        try:
            channel.open()
            process.exited.add_done_callback(self._exited)
            await self._begin(channel)
            await self._finish(channel)
            if not process.exited.done():
                self._later(LEAVE, signal.SIGKILL)
                await asyncio.shield(process.exited)
            return True
        finally:
            for timer in self._timers:
                timer.cancel()
            channel.close()

    def cancel(self) -> None:
        """A person wants it to stop: asked first, killed after the grace."""
        self._stop(End(self.run.attempt, "cancelled"))

    def interrupt(self, message: str) -> None:
        """The worker cannot keep it: it has crashed, unless it never began."""
        attempt = self.run.attempt
        self._stop(End(attempt, "crashed", message) if self.going else Release(attempt))

    def abandon(self) -> None:
        """The run belongs to somebody else now: its process must go at once."""
        self._means.launcher.signal(self._name, signal.SIGKILL)

    @property
    def ended(self) -> bool:
        """Whether the outcome is known, if perhaps not stored yet."""
        return self._end.done()

    # What the process says; called by the channel.

    def received(self, message: dict[str, Any]) -> None:
        try:
            self._understand(message)
        except (KeyError, TypeError, ValueError) as error:
            self.broken(f"it sent a message that makes no sense ({error!r})")

    def printed(self, stream: str, data: bytes) -> None:
        for line in self._cutters[stream].feed(data):
            self._say(line, _LEVELS["INFO"], stream, now())

    def broken(self, reason: str) -> None:
        self._decide(End(self.run.attempt, "crashed", reason))
        self._means.launcher.signal(self._name, signal.SIGKILL)

    # The inside.

    async def _begin(self, channel: RunChannel) -> None:
        if self._instead is not None:
            # Stopped while its process was made, which still waits for `go`.
            self._means.launcher.signal(self._name, signal.SIGKILL)
            return
        # From here on it counts as begun: its start may be on disk before the answer is here.
        self.going = True
        answer = await self._means.recorder.record(self.run.id, Start(self.run.attempt))
        if isinstance(answer, Step) or (
            isinstance(answer, Refused) and already(answer.run, Start(self.run.attempt))
        ):
            failpoint("before_go")
            channel.send({"v": 1, "type": "go"})
            if self._flow.timeout is not None:
                self._timers.append(
                    self._loop.call_later(self._flow.timeout / SECOND + _OVERTIME, self._overtime)
                )
        else:
            self._decide(End(self.run.attempt, "cancelled"))
            self._means.launcher.signal(self._name, signal.SIGKILL)

    async def _finish(self, channel: RunChannel) -> None:
        end = await self._end
        answer = await self._means.recorder.record(self.run.id, end)
        if isinstance(answer, Refused) and isinstance(end, End) and not already(answer.run, end):
            log.warning("end_refused", run=self.run.id, reason=answer.reason)
        if self._acknowledge is not None:
            channel.send({"v": 1, "type": "ack", "seq": self._acknowledge, "ok": True})

    def _orders(self) -> dict[str, Any]:
        run, flow = self.run, self._flow
        return {
            "v": 1,
            "type": "run",
            "directory": str(self._means.directory),
            "file": flow.file,
            "function": flow.function,
            "run": {
                "id": run.id,
                "flow": run.flow,
                "attempt": run.attempt,
                "tags": run.tags,
                "automation": run.automation,
                "content_hash": flow.content_hash,
            },
            "parameters": orjson.Fragment(run.parameters),
        }

    def _understand(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "log":
                level = _LEVELS.get(message["level"], logging.INFO)
                self._say(
                    str(message["message"]),
                    level,
                    storable(str(message["logger"])),
                    instant(message["at"]),
                    _text(message.get("task_run_id")),
                )
            case "task" if message["state"] in tasks.STATES:
                self._means.recorder.report(self._report(message))
            case "emit":
                self._means.spawn(self._emit(message["seq"], message["event"]), "emit")
            case "finished" if message["state"] in _OUTCOMES:
                self._acknowledge = message.get("seq")
                self._ended(self._reported(message))

    def _say(self, text: str, level: int, name: str, time: Micros, task: str | None = None) -> None:
        line = self._lines.line(text, level=level, logger=name, time=time, task=task)
        if line is None:
            return
        recorder = self._means.recorder
        recorder.say(line)
        if recorder.full and self._channel and self._channel.pause():
            recorder.when_room(self._channel.resume)

    def _report(self, message: dict[str, Any]) -> TaskReport:
        return TaskReport(
            run=self.run.id,
            run_attempt=self.run.attempt,
            id=storable(str(message["task_run_id"])),
            name=storable(str(message["name"])),
            key=storable(str(message.get("task") or message["name"])),
            state=message["state"],
            attempt=min(int(message["attempt"]), _MOST_ATTEMPTS),
            time=instant(message["at"]),
            message=_text(message.get("message")),
        )

    def _reported(self, message: dict[str, Any]) -> End:
        error = message.get("error") or {}
        result = message.get("result")
        return End(
            self.run.attempt,
            message["state"],
            _text(message.get("message") or error.get("message")),
            _text(error.get("code")),
            orjson.dumps(without_nul(result)).decode() if result is not None else None,
        )

    async def _emit(self, seq: int, value: Any) -> None:
        answer: dict[str, Any] = {"v": 1, "type": "ack", "seq": seq, "ok": True}
        try:
            strict = strict_json.loads(orjson.dumps(value))
            event = event_of(strict, now=now(), source=f"/flows/{self.run.flow}")
            operation = _emission(self.run, event)
            await self._means.journal.submit(Change(operation=operation, lane=Lane.SERVICE))
        except EnsueError as error:
            answer |= {"ok": False, "error": str(error)}
        if self._channel:
            self._channel.send(answer)

    def _stop(self, end: End | Release) -> None:
        if self._instead is None and not self._end.done():
            self._instead = end
            self._means.launcher.signal(self._name, signal.SIGTERM)
            self._later(self._means.grace, signal.SIGKILL)

    def _decide(self, end: End | Release) -> None:
        """So it ends, whatever its process says; what was decided first stands."""
        if self._instead is None:
            self._instead = end

    def _overtime(self) -> None:
        message = f"it ran beyond its timeout of {(self._flow.timeout or 0) / SECOND:g} s"
        self._decide(End(self.run.attempt, "timed_out", message, "timed_out"))
        self._means.launcher.signal(self._name, signal.SIGKILL)

    def _later(self, seconds: float, number: int) -> None:
        kill = self._means.launcher.signal
        self._timers.append(self._loop.call_later(seconds, kill, self._name, number))

    def _exited(self, exited: asyncio.Future[Exit]) -> None:
        if exited.cancelled():
            return
        if self._channel:
            self._channel.drain()
        for stream, cutter in self._cutters.items():
            for line in cutter.finish():
                self._say(line, _LEVELS["INFO"], stream, now())
        how = f"its process was {exited.result()}".replace("was exited", "exited")
        self._ended(End(self.run.attempt, "crashed", how))

    def _ended(self, end: End) -> None:
        if not self._end.done():
            ours = self._instead if end.outcome != "completed" else None
            self._end.set_result(ours or end)


def _text(value: Any) -> str | None:
    return None if value is None else storable(str(value))


def _emission(run: Run, event: Event) -> Callable[[Tx], Any]:
    """Store what user code emitted as part of its run's chain, while the run is its own."""

    async def operation(tx: Tx) -> Sequence[Event]:
        current = (await store.get(tx, [run.id])).get(run.id)
        if current is None or current.attempt != run.attempt or current.state not in OWNED:
            raise NotFoundError("this run is over", code="run_over")
        return [
            Event(
                id=event.id,
                source=event.source,
                type=event.type,
                subject=event.subject,
                time=event.time,
                received=tx.now,
                data=event.data,
                attributes=event.attributes,
                has_data=event.has_data,
                encoded=event.encoded,
                correlationid=current.correlationid,
                causationid=current.last_event,
                depth=current.depth,
            )
        ]

    return operation

"""What people and rules do to runs and flows: start, cancel, retry, pause, resume.

Each is one change of the journal; when it returns, it is on disk, and so is its event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automations.starting import Refusal, RunRequest
from base.errors import ConflictError, NotFoundError, UnprocessableError
from base.ids import derived_id, new_id
from base.time import Micros
from engine import store
from engine.flow import flow_name
from engine.run import Run
from engine.starter import RunStarter
from engine.state import Cancel, Pause, Refused, Resume, Retry, Signal, advance
from events.change import Change, Lane
from events.event import Event
from events.journal import Journal
from events.tx import Tx


@dataclass(frozen=True, slots=True)
class Wish:
    """A run that a person asks for. `due_in` puts it off."""

    flow: str
    parameters: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    due_in: Micros = 0
    idempotency_key: str | None = None
    pool: str | None = None


class Control:
    """Raises NotFoundError for what is not there, ConflictError for what its state does not allow."""

    def __init__(self, journal: Journal, starter: RunStarter) -> None:
        self._journal = journal
        self._starter = starter

    async def start(self, wish: Wish) -> str:
        """The id of the run, or of the one that took the idempotency key before.

        Raises UnprocessableError (`flow_unknown`, `parameters_invalid`).
        """
        request = RunRequest(
            id=new_id(),
            flow=wish.flow,
            automation="",
            firing="",
            action="",
            correlationid="",
            causationid=None,
            depth=0,
            parameters=wish.parameters,
            tags=wish.tags,
            delay=wish.due_in,
            idempotency_key=wish.idempotency_key,
            pool=wish.pool,
        )
        outcome: list[str | Refusal] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            started = await self._starter.start(tx, [request])
            outcome[:] = started.outcomes
            return started.events

        await self._submit(operation)
        if isinstance(outcome[0], Refusal):
            raise UnprocessableError(outcome[0].message, code=outcome[0].code)
        return outcome[0]

    async def cancel(self, run: str, by: str | None = None) -> Run:
        """What waits is cancelled at once; what runs is asked to stop, and killed after a grace."""
        return await self._send(run, Cancel(f"cancelled by {by}" if by else None))

    async def retry(self, run: str) -> Run:
        """A finished run is done again: the same run, a new attempt."""
        return await self._send(run, Retry())

    async def pause(self, run: str) -> Run:
        """Hold back a run that has not begun."""
        return await self._send(run, Pause())

    async def resume(self, run: str) -> Run:
        return await self._send(run, Resume())

    async def pause_flow(self, flow: str) -> None:
        """Its runs wait until it is resumed; those that run go on."""
        await self._set_paused(flow, paused=True)

    async def resume_flow(self, flow: str) -> None:
        await self._set_paused(flow, paused=False)

    async def _send(self, run_id: str, signal: Signal) -> Run:
        after: list[Run] = []

        async def operation(tx: Tx) -> Sequence[Event]:
            run = (await store.get(tx, [run_id])).get(run_id)
            if run is None:
                raise NotFoundError(f"there is no run {run_id}", code="run_unknown")
            answer = advance(run, signal, tx.now)
            if isinstance(answer, Refused):
                raise ConflictError(answer.reason, code="run_state")
            after[:] = [answer.run]
            await store.save(tx, after)
            return [answer.event]

        await self._submit(operation)
        return after[0]

    async def _set_paused(self, spelling: str, *, paused: bool) -> None:
        name = flow_name(spelling)

        async def operation(tx: Tx) -> Sequence[Event]:
            changed = await store.set_flow_paused(tx, name, paused=paused)
            if changed is None:
                raise NotFoundError(f"there is no flow {name}", code="flow_unknown")
            return [flow_event(name, "paused" if paused else "resumed", tx.now)] if changed else []

        await self._submit(operation)

    async def _submit(self, operation: Any) -> None:
        await self._journal.submit(Change(operation=operation, lane=Lane.SERVICE))


def flow_event(name: str, kind: str, now: Micros, **data: Any) -> Event:
    """`ensue.flow.<kind>`."""
    return Event(
        id=derived_id(now, name, kind),
        source=f"/flows/{name}",
        type=f"ensue.flow.{kind}",
        subject=name,
        time=now,
        received=now,
        data={"flow": name, **data},
    )

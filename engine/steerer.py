"""What rules do to runs and flows that are there, inside the firing's transaction.

A run that a rule changes goes on at the depth of the firing, if that is deeper: so a rule that
answers the end of a run with another attempt comes to an end itself, by its `max_depth`. The
event that tells of the change is caused by what the firing was caused by, and stays in the
run's own chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from automations.steering import Done, Needless, NotThere, RunCommand, Steered
from base.ids import derived_id
from engine import store
from engine.flow import flow_name, meant
from engine.run import TERMINAL, Run
from engine.state import Cancel, Pause, Refused, Resume, Retry, Signal, advance
from events.event import Event
from events.tx import Tx

MOST_RUNS: Final = 500
"""Runs of a flow, or of a rule, that one action cancels; the longest there first."""


class RunSteerer:
    """Meets the automations' call upwards."""

    async def steer(
        self, tx: Tx, commands: Sequence[RunCommand]
    ) -> tuple[Sequence[Event], Sequence[Steered]]:
        named = {one.steering.name for one in commands if one.steering.what == "run"}
        work = _Work(tx, await store.get(tx, sorted(named)) if named else {})
        answers = [await work.answer(command) for command in commands]
        await work.save()
        return work.events, answers


@dataclass(slots=True)
class _Work:
    """The commands of one call: what the runs are by now, and what is still to be written."""

    tx: Tx
    runs: dict[str, Run]
    changed: dict[str, Run] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    async def answer(self, command: RunCommand) -> Steered:
        match command.steering.what, command.steering.verb:
            case "run", _:
                return self._one(command)
            case "flow", "pause" | "resume":
                return await self._switch(command)
            case _:
                return await self._all(command)

    async def save(self) -> None:
        await store.save(self.tx, list(self.changed.values()))
        self.changed.clear()

    def _one(self, command: RunCommand) -> Steered:
        id_ = command.steering.name
        run = self.runs.get(id_)
        if run is None:
            return NotThere("run_unknown", f"there is no run {id_[:100]}")
        is_retry = command.steering.verb == "retry" and run.state in TERMINAL
        if is_retry and command.last_event not in (None, run.last_event):
            return Needless(
                "run_moved_on",
                f"the run {id_} is not as the event told: it is {run.state.value}, "
                f"at attempt {run.attempt}",
            )
        reason = self._send(command, run)
        return Needless("run_state", reason) if reason else Done({"run": id_})

    async def _all(self, command: RunCommand) -> Steered:
        """Cancel all runs of a flow, or of a rule, that have not ended."""
        await self.save()
        of: Literal["flow", "automation"] = (
            "flow" if command.steering.what == "flow" else "automation"
        )
        name = flow_name(command.steering.name) if of == "flow" else command.steering.name
        found = await store.live(self.tx, of, name, MOST_RUNS + 1)
        if not found and of == "flow" and (unknown := await self._unknown(name)):
            return unknown
        if not found:
            return Needless("no_runs", f"the {of} {name} has no run that has not ended")
        for run in found[:MOST_RUNS]:
            self._send(command, self.runs.get(run.id, run))
        return Done({"runs": min(len(found), MOST_RUNS), "more": len(found) > MOST_RUNS})

    async def _switch(self, command: RunCommand) -> Steered:
        """Pause or resume a flow."""
        name = flow_name(command.steering.name)
        paused = command.steering.verb == "pause"
        changed = await store.set_flow_paused(self.tx, name, paused=paused)
        if changed is None:
            return await self._unknown(name) or NotThere("flow_unknown", f"there is no flow {name}")
        if not changed:
            code = "already_paused" if paused else "not_paused"
            was = "was paused already" if paused else "was not paused"
            return Needless(code, f"the flow {name} {was}")  # type: ignore[arg-type]  # one of two literals
        self.events.append(_told(command, name, self.tx.now))
        return Done({"flow": name})

    def _send(self, command: RunCommand, run: Run) -> str | None:
        """Change the run; why not, where that cannot be."""
        caused = replace(run, depth=max(run.depth, command.depth), last_event=command.causationid)
        answer = advance(caused, _signal(command), self.tx.now)
        if isinstance(answer, Refused):
            return answer.reason
        self.runs[run.id] = self.changed[run.id] = answer.run
        self.events.append(answer.event)
        return None

    async def _unknown(self, flow: str) -> NotThere | None:
        rows = await self.tx.fetch("SELECT name FROM flow ORDER BY name LIMIT 1000")
        known = [row[0] for row in rows]
        if flow in known:
            return None
        return NotThere("flow_unknown", f"there is no flow {flow}{meant(flow, known)}")


def _signal(command: RunCommand) -> Signal:
    match command.steering.verb:
        case "cancel":
            return Cancel(f"cancelled by the rule {command.automation}")
        case "pause":
            return Pause()
        case "resume":
            return Resume()
        case "retry":
            return Retry()


def _told(command: RunCommand, flow: str, now: int) -> Event:
    """That a flow was paused or resumed, in the chain of what did it."""
    kind = "paused" if command.steering.verb == "pause" else "resumed"
    return Event(
        id=derived_id(now, command.action, flow, kind),
        source=f"/flows/{flow}",
        type=f"ensue.flow.{kind}",
        subject=flow,
        time=now,
        received=now,
        data={"flow": flow, "automation": command.automation},
        correlationid=command.correlationid,
        causationid=command.causationid,
        depth=command.depth,
    )

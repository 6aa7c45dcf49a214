"""What a rule's `cancel`, `pause`, `resume` and `retry` ask of whoever has the runs: a call upwards.

Rules are paused and resumed on this floor (see `reach`); runs and flows are the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from automations.steer_action import Steering
from events.event import Event
from events.tx import Tx


@dataclass(frozen=True, slots=True)
class RunCommand:
    """What one action asks to be done to a run, to a flow, or to the runs of a flow or a rule.

    `correlationid`, `causationid` and `depth` are those of what a firing causes. `last_event` is
    the event by which the firing knows the run: it is retried only if nothing happened to it
    since, so that it is retried once for each end. None where no event tells of the run.
    """

    steering: Steering
    automation: str
    action: str
    correlationid: str
    causationid: str | None
    depth: int
    last_event: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it, for the record of the action."""

    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Needless:
    """There was nothing to do: the run had ended, the flow was paused, nothing was running."""

    code: Literal["run_state", "run_moved_on", "no_runs", "already_paused", "not_paused"]
    message: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """There is no such run, flow or rule."""

    code: Literal["run_unknown", "flow_unknown", "automation_unknown"]
    message: str


Steered = Done | Needless | NotThere


class RunSteerer(Protocol):
    """Changes runs and flows inside the firing's transaction."""

    async def steer(
        self, tx: Tx, commands: Sequence[RunCommand]
    ) -> tuple[Sequence[Event], Sequence[Steered]]:
        """Carry out the commands one after another; the events that tell of it, and an answer each.

        What cannot be done is told as a value and harms no other; what raises here fails the
        whole transaction.
        """
        ...

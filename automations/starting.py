"""What a rule's `run` asks of whoever launches flow runs: this floor's call upwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from base.time import Micros
from events.event import Event
from events.tx import Tx


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run that an action asks for. `id` derives from the action, so it is asked for once.

    `flow` is spelled as in the rule (hyphens or underscores). `correlationid`, `causationid`
    and `depth` are what the run's first event carries.
    """

    id: str
    flow: str
    automation: str
    firing: str
    action: str
    correlationid: str
    causationid: str | None
    depth: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    delay: Micros = 0
    """How long after the firing it is due."""
    idempotency_key: str | None = None
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A run that cannot be: `flow_unknown` or `parameters_invalid`, and why, for people."""

    code: Literal["flow_unknown", "parameters_invalid"]
    message: str


@dataclass(frozen=True, slots=True)
class Started:
    """What became of the requests: `outcomes[i]` is the id of the run of `requests[i]`.

    Where an idempotency key was taken before, that is the id of the run that has it.
    """

    events: Sequence[Event]
    outcomes: Sequence[str | Refusal]


class RunStarter(Protocol):
    """Creates runs inside the firing's transaction."""

    async def start(self, tx: Tx, requests: Sequence[RunRequest]) -> Started:
        """Insert the runs and return the events that tell of it, in the order of the requests.

        A request that cannot be met is refused as a value and harms no other; what raises here
        fails the whole transaction. A run of an id that exists is left as it is.
        """
        ...

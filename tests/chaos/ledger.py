"""What the client knows: for each event, what it was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.chaos.plan import Outside, Shipment


class Answer(Enum):
    """What became of one request, as far as its sender can tell."""

    TAKEN = "acknowledged"
    REFUSED = "told to come again (503)"
    UNREACHABLE = "nobody listens"
    UNKNOWN = "the connection broke, or no answer came"
    WRONG = "an answer that there is no reason for"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `fresh` says how many of its events it called new."""

    answer: Answer
    fresh: int = 0
    seconds: float = 0.0
    text: str = ""


@dataclass(slots=True)
class Sent:
    """An event and all that its sender knows of it."""

    event: Outside
    acked: bool = False
    fresh: int = 0
    """How often an answer called it new."""
    unknown: int = 0
    refused: int = 0
    again: int = 0
    """How often it was sent once more although it had been acknowledged."""
    abandoned: bool = False


@dataclass(slots=True)
class Ledger:
    """The client's log. `wrong` holds answers that should never be given."""

    sent: dict[str, Sent] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """How long each acknowledgement and refusal took."""
    acked: int = 0

    def open(self, shipment: Shipment) -> list[Sent]:
        """The entries of these events, from before they are first sent."""
        entries = [self.sent.setdefault(e.id, Sent(e)) for e in shipment.events]
        for entry in entries:
            entry.again += shipment.again
        return entries

    def note(self, entries: Sequence[Sent], reply: Reply) -> None:
        """Write down what a request with these events was answered."""
        match reply.answer:
            case Answer.TAKEN:
                self._take(entries, reply)
            case Answer.REFUSED:
                self.seconds.append(reply.seconds)
                for entry in entries:
                    entry.refused += 1
            case Answer.UNKNOWN:
                for entry in entries:
                    entry.unknown += 1
            case Answer.WRONG:
                self.wrong.append(f"{entries[0].event.id}: {reply.text}")
            case Answer.UNREACHABLE:
                pass

    def _take(self, entries: Sequence[Sent], reply: Reply) -> None:
        self.seconds.append(reply.seconds)
        if reply.fresh not in {0, len(entries)}:
            self.wrong.append(
                f"{entries[0].event.id}: of {len(entries)} events sent together "
                f"{reply.fresh} were called new"
            )
        for entry in entries:
            self.acked += not entry.acked
            entry.acked = True
            entry.fresh += reply.fresh > 0

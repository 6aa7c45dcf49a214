"""What should have happened: the rules of `project.py` once more, in plain Python.

Written from the rules' meaning and sharing nothing with the service, so that the two can
disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Emit:
    """An event that a firing sends, in its own commit."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a firing makes, through the outbox."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A flow run that a firing starts."""

    flow: str
    parameters: dict[str, Any]


Deed = Emit | Call | Run


@dataclass(frozen=True, slots=True)
class Fires:
    """That a trigger of a rule fires on an event, and what it does, in the rule's order."""

    automation: str
    trigger: int
    deeds: tuple[Deed, ...]


def fires(kind: str, id_: str, subject: str | None, data: Any) -> list[Fires]:
    """All that fires on an event of this type, id, subject and data."""
    match kind:
        case "chaos.chain":
            return [Fires("chain", 0, (Emit("chaos.derived", {"n": data["n"], "of": id_}),))]
        case "chaos.derived":
            return [Fires("second", 0, (Emit("chaos.second", {"n": data["n"]}),))]
        case "chaos.call":
            told = Emit("chaos.told", {"n": data["n"]})
            return [Fires("tell", 0, (Call({"event": id_, "n": data["n"]}), told))]
        case "chaos.run" | "chaos.rerun":
            flow = "append-line" if kind == "chaos.run" else "append-again"
            parameters = {"event": id_, "milliseconds": data["milliseconds"]}
            return [Fires(f"launch-{flow}", 0, (Run(flow, parameters),))]
        case "chaos.judged":
            return _judged(data)
        case "chaos.pair":
            return [
                Fires("pair", number, (Emit("chaos.paired", {"n": data["n"], "trigger": number}),))
                for number, side in enumerate(("left", "right"))
                if data[side]
            ]
        case "ensue.run.completed" | "ensue.run.crashed":
            return [Fires("ended", 0, (Emit("chaos.ended", {"run": subject}),))]
        case _:
            return []


def _judged(data: Any) -> list[Fires]:
    # Nothing divides by zero: that is an error of the condition, and no match.
    if data["parts"] == 0 or data["total"] // data["parts"] < 2:
        return []
    return [Fires("judge", 0, (Emit("chaos.weighty", {"n": data["n"]}),))]

"""A flow as the engine knows it: where its code is, what it takes, and how it is tried again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from base.suggest import hint
from base.time import Micros


@dataclass(frozen=True, slots=True)
class Signature:
    """What a flow takes, as the JSON Schema of an object."""

    schema: Mapping[str, Any] = field(default_factory=dict)

    def faults(self, given: Mapping[str, Any]) -> list[str]:
        """What is wrong with the names given; their values are judged in the run's own process."""
        known = self.schema.get("properties", {})
        missing = [name for name in self.schema.get("required", ()) if name not in given]
        closed = self.schema.get("additionalProperties", True) is False
        unknown = sorted(set(given) - set(known)) if closed else []
        return [f"{name} is missing" for name in missing] + [
            f"{name} is not a parameter{meant(name, known)}" for name in unknown
        ]

    def to_json(self) -> str:
        return orjson.dumps(self.schema).decode()

    @classmethod
    def from_json(cls, text: str) -> Signature:
        return cls(orjson.loads(text))


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow that was found in a file. `file` is relative to the project directory."""

    name: str
    file: str
    function: str
    content_hash: str
    signature: Signature = field(default_factory=Signature)
    description: str | None = None
    tags: tuple[str, ...] = ()
    retries: int = 0
    retry_delays: tuple[Micros, ...] = ()
    timeout: Micros | None = None


def flow_name(spelling: str) -> str:
    """The name of a flow, however it is spelled: hyphens, or underscores as in Python."""
    return spelling.replace("_", "-")


def meant(word: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    found = hint(word, known)
    return f" ({found})" if found else ""


def sentence(flow: str, faults: Sequence[str]) -> str:
    return f"{flow} cannot run with these parameters: {'; '.join(faults)}"

"""A flow as the engine knows it: where its code is, what it takes, and how it is tried again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from base.suggest import hint
from base.time import Micros


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a flow. `schema` is JSON Schema; None where nothing is known of it."""

    name: str
    required: bool
    schema: Mapping[str, Any] | None = None
    default: Any = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a flow takes. `open_ended` flows take any further name (`**kwargs`)."""

    parameters: tuple[Parameter, ...] = ()
    open_ended: bool = False

    def faults(self, given: Mapping[str, Any]) -> list[str]:
        """What is wrong with the names given; their values are judged in the run's own process."""
        known = {parameter.name for parameter in self.parameters}
        missing = [p.name for p in self.parameters if p.required and p.name not in given]
        unknown = [] if self.open_ended else sorted(set(given) - known)
        return [f"{name} is missing" for name in missing] + [
            f"{name} is not a parameter{meant(name, known)}" for name in unknown
        ]

    def to_json(self) -> str:
        return orjson.dumps(
            {
                "open_ended": self.open_ended,
                "parameters": [
                    {
                        "name": p.name,
                        "required": p.required,
                        "schema": p.schema,
                        "default": p.default,
                    }
                    for p in self.parameters
                ],
            }
        ).decode()

    @classmethod
    def from_json(cls, text: str) -> Signature:
        value = orjson.loads(text)
        return cls(tuple(Parameter(**p) for p in value["parameters"]), value["open_ended"])


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow that was found in a file. `file` is relative to the folder of the flows."""

    name: str
    file: str
    function: str
    content_hash: str
    signature: Signature = Signature()
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

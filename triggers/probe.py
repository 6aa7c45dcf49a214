"""What of a condition the index can look up.

A *probe* is a condition made coarser until a table can answer it: each value that meets
the condition also meets its probe. What a probe lets through is judged in full later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triggers.branch import Group
from triggers.condition import (
    Affix,
    AnythingBut,
    Cidr,
    Condition,
    Exact,
    Exists,
    Globbed,
    IgnoreCase,
    Numeric,
    Scalar,
    Wildcard,
    is_number,
)
from triggers.shape import Shape
from triggers.wildcard import parse_wildcard


@dataclass(frozen=True, slots=True)
class Text:
    """This text, or one that starts or ends so; `folded` compares case-folded."""

    how: Literal["is", "starts", "ends"]
    text: str
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Constant:
    """true, false or null."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value, so long as there is one."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """That there is no value."""


Probe = Text | Number | Constant | Numeric | Anything | Nothing


def probe(condition: Condition) -> Probe:
    """The narrowest probe there is for a condition."""
    match condition:
        case Exact(value):
            return _probe_value(value)
        case IgnoreCase(text):
            return Text("is", text.casefold(), folded=True)
        case Affix(end, text, ignore_case):
            how: Literal["starts", "ends"] = "starts" if end == "prefix" else "ends"
            return Text(how, text.casefold() if ignore_case else text, ignore_case)
        case Wildcard(text):
            return _probe_shape(parse_wildcard(text))
        case Globbed(glob):
            return _probe_shape(glob.shape)
        case Numeric():
            return condition
        case Exists(wanted):
            return Anything() if wanted else Nothing()
        case Cidr() | AnythingBut():
            return Anything()


def _probe_value(value: Scalar) -> Probe:
    if isinstance(value, str):
        return Text("is", value)
    if is_number(value):
        return Number(value)  # type: ignore[arg-type]  # is_number says so
    return Constant(value)  # type: ignore[arg-type]  # neither text nor number


def _probe_shape(shape: Shape) -> Probe:
    if shape.exact is not None:
        return Text("is", shape.exact)
    if shape.head:
        return Text("starts", shape.head)
    if shape.tail:
        return Text("ends", shape.tail)
    return Anything()


def probes(group: Group) -> list[Probe]:
    """What to look a group up by: any one of these, each once, at most one of them a range."""
    found = list(dict.fromkeys(map(probe, group)))
    spans = [one for one in found if isinstance(one, Numeric)]
    if len(spans) < 2:
        return found
    return [one for one in found if not isinstance(one, Numeric)] + [_hull(spans)]


def _hull(spans: list[Numeric]) -> Numeric:
    """One range around several."""
    lows = [span.low for span in spans if span.low is not None]
    highs = [span.high for span in spans if span.high is not None]
    return Numeric(
        min(lows) if len(lows) == len(spans) else None,
        max(highs) if len(highs) == len(spans) else None,
    )


def narrows(group: Group) -> bool:
    """Whether looking a value up tells this group from most others.

    A missing field may be let through, if other conditions stand beside it.
    """
    found = probes(group)
    return Anything() not in found and found != [Nothing()] and Numeric(None, None) not in found

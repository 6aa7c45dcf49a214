"""`every: 10m`: a beat of absolute time. A day is 24 hours, whatever the clocks do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from base.time import SECOND, Micros
from triggers.local_time import END

SHORTEST: Micros = SECOND
LONGEST: Micros = 36_500 * 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Interval:
    """Beats at `origin` and at whole spans before and after it."""

    span: Micros
    origin: Micros

    def next_after(self, instant: Micros) -> Micros | None:
        beat = self.origin + ((instant - self.origin) // self.span + 1) * self.span
        return beat if beat < END else None

    def normalised(self) -> dict[str, Any]:
        return {"every": self.span}

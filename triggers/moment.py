"""`at: 2030-01-01T09:00:00Z`: once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from base.time import Micros


@dataclass(frozen=True, slots=True)
class Moment:
    at: Micros

    def next_after(self, instant: Micros) -> Micros | None:
        return self.at if self.at > instant else None

    def normalised(self) -> dict[str, Any]:
        return {"at": self.at}

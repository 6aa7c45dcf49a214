"""What is answered to events that were taken in."""

from __future__ import annotations

from collections.abc import Sequence


def accepted(ids: Sequence[str], duplicates: int) -> dict[str, object]:
    """The answer to a request whose events have these ids, all of them stored now or before."""
    return {"accepted": len(ids) - duplicates, "duplicates": duplicates, "ids": ids}

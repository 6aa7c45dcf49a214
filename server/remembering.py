"""What the settings allow triggers to remember."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from base.settings import Settings
from triggers.reading import Limits

_MICROSECOND: Final = timedelta(microseconds=1)


def limits(settings: Settings) -> Limits:
    """No span longer than events are kept, and the lateness that holds where none is named."""
    return Limits(
        retention=settings.retention.events // _MICROSECOND,
        allowed_lateness=settings.rules.allowed_lateness // _MICROSECOND,
    )

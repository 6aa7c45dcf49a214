"""Identifiers: UUIDv7 (RFC 9562), so that what is made later sorts later.

An id is fresh, or it is derived: the same cause gives the same id, which is what lets a
retried transaction, a replayed event or a second replica never do a thing twice.
"""

from __future__ import annotations

import os
from hashlib import blake2b

from base.time import Micros, now

_VERSION = 0x7 << 76
_VARIANT = 0x2 << 62
_RAND_A_MASK = 0xFFF << 64
_RAND_B_MASK = (1 << 62) - 1


def _uuid7(instant: Micros, random80: int) -> str:
    value = (
        ((instant // 1_000) & 0xFFFF_FFFF_FFFF) << 80
        | _VERSION
        | (random80 & _RAND_A_MASK)
        | _VARIANT
        | (random80 & _RAND_B_MASK)
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_id(instant: Micros | None = None) -> str:
    """A fresh UUIDv7 of this instant (default: now)."""
    return _uuid7(now() if instant is None else instant, int.from_bytes(os.urandom(10), "big"))


def derived_id(instant: Micros, *cause: str) -> str:
    """The one UUIDv7 that belongs to this cause at this instant.

    The same arguments give the same id for ever; 74 bits tell causes of one millisecond apart.
    """
    digest = blake2b("\x1f".join(cause).encode(), digest_size=10).digest()
    return _uuid7(instant, int.from_bytes(digest, "big"))


def earliest_id(instant: Micros) -> str:
    """Sorts before all ids of this millisecond, and behind all that are earlier."""
    return _uuid7(instant, 0)

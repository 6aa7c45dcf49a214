"""Ids made here: UUIDv7 (RFC 9562), so that what is made later sorts later."""

from __future__ import annotations

import os
import time


def new_id() -> str:
    random = int.from_bytes(os.urandom(10), "big")
    value = (time.time_ns() // 1_000_000) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now_micros() -> int:
    """Microseconds since the epoch: the unit of every instant on the wire."""
    return time.time_ns() // 1_000

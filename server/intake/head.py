"""The head of a request, but for the one thing in it that differs: how long the body is.

Nothing is parsed here. Two heads are *alike* when all their bytes are, but for the digits behind
`Content-Length: `; so what an HTTP parser understood of one is what it would understand of the
other, and only the length is read anew.
"""

from __future__ import annotations

import re
from typing import Final

END: Final = b"\r\n\r\n"
MAX_HEADS: Final = 1_024
"""How many kinds of heads are remembered; a new one drops the oldest."""
MAX_HEAD: Final = 2_048
"""Bytes of a head that is worth remembering."""
_LENGTH: Final = re.compile(rb"(?i:\r\ncontent-length): (\d{1,9})\r\n")
_GAP: Final = b"\0"
"""Stands for the digits; no head that a parser accepts has it."""


def likeness(data: bytes) -> tuple[bytes, int, int] | None:
    """What all heads like that of `data` have in common, and where its body begins and ends.

    None where the head is not whole, is long, or tells no length.
    """
    end = data.find(END, 0, MAX_HEAD)
    if end < 0:
        return None
    found = _LENGTH.search(data, 0, end + 2)
    if found is None:
        return None
    first, last = found.span(1)
    body = end + len(END)
    return data[:first] + _GAP + data[last:end], body, body + int(found[1])


def told_once(data: bytes, end: int) -> bool:
    """Whether the first `end` bytes tell a length exactly once, as `likeness` reads it."""
    head = data[:end].lower()
    return head.count(b"content-length") == 1 and _GAP not in head

"""Cursors: where the next page of a list begins, opaque to whoever carries it.

A cursor is `[list, value …]` as JSON with a checksum, in base64url. The checksum is no secret:
it tells a mistake, not an attacker, since a cursor gives no right that the list does not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from base.errors import InvalidInputError

_CHECK = 6
_BEYOND = 1 << 63


def seal(of: str, *values: str | int) -> str:
    """The cursor of the list named `of`."""
    body = orjson.dumps([of, *values])
    return base64.urlsafe_b64encode(_checksum(body) + body).rstrip(b"=").decode()


def unseal(of: str, cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The values of a cursor of this list. Raises InvalidInputError for any other text."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, body = raw[:_CHECK], raw[_CHECK:]
        values = orjson.loads(body) if check == _checksum(body) else None
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or values[:1] != [of] or len(values) != len(kinds) + 1:
        raise _invalid()
    if not all(_fits(value, kind) for value, kind in zip(values[1:], kinds, strict=True)):
        raise _invalid()
    return values[1:]


def _fits(value: Any, kind: type) -> bool:
    """Of this kind, and nothing that a database refuses."""
    if type(value) is not kind:
        return False
    return -_BEYOND <= value < _BEYOND if isinstance(value, int) else "\0" not in str(value)


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECK).digest()


def _invalid() -> InvalidInputError:
    return InvalidInputError(
        "this is not a cursor of this list",
        code="cursor_invalid",
        place="cursor",
        hint="take `next` of the page before as it is, or begin without a cursor",
    )

"""By what an event is known again: hashes of its id, of its source and of its body.

The *key* is 12 bytes of the id's hash, then 8 of the source's: exact enough never to meet by
chance, and all events of one id are neighbours in their order. Eight more bytes, the *digest*,
tell one body from another under the same id.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from events.event import Event

ID_BYTES: Final = 12
KEY_BYTES: Final = ID_BYTES + 8
_ID: Final = blake2b(digest_size=ID_BYTES)


def fingerprint(event: Event) -> bytes:
    """Key and digest in one; made once, where that is not done yet."""
    id_ = _ID.copy()
    id_.update(event.id.encode())
    body = _body_of(event.type).copy()
    body.update(event.encoded)
    return id_.digest() + _source_hash(event.source) + body.digest()


def id_hash(id_: str) -> bytes:
    """The first part of the keys of all events with this id."""
    hashed = _ID.copy()
    hashed.update(id_.encode())
    return hashed.digest()


@lru_cache(maxsize=4096)
def _source_hash(source: str) -> bytes:
    return blake2b(source.encode(), digest_size=KEY_BYTES - ID_BYTES).digest()


@lru_cache(maxsize=1024)
def _body_of(type_: str) -> blake2b:
    """The hash of a body before there is any. To copy one is quicker than to make one."""
    return blake2b(digest_size=8, person=type_.encode()[:16])

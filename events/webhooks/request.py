"""A delivery as it reached a hook, and what may be kept of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from base.errors import InvalidInputError

REDACTED = "[redacted]"
_SENSITIVE = re.compile(r"auth|cookie|signature|secret|token|passw|hmac|api-?key|credential")


@dataclass(frozen=True, slots=True)
class HookRequest:
    """What was sent, whole. `url` is the one the sender used; headers in their order."""

    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    method: str = "POST"
    url: str = ""
    remote: str | None = None

    def header(self, name: str) -> str | None:
        """The header, in whatever case it came; None where it is absent.

        Raises InvalidInputError `header_duplicated` where it came twice: which of the two
        was signed would be anybody's guess.
        """
        wanted = name.lower()
        found = [value for given, value in self.headers if given.lower() == wanted]
        if len(found) > 1:
            raise InvalidInputError(
                f"the header {name} is there {len(found)} times",
                code="header_duplicated",
                place=name,
            )
        return found[0] if found else None

    @property
    def query(self) -> str:
        return self.url.partition("#")[0].partition("?")[2]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verified delivery says about itself.

    `delivery_id` is the sender's id for it, `signed_id` whether the signature covers that
    id: only then does a replay have to carry the same one.
    """

    delivery_id: str | None = None
    signed_id: bool = False


def is_sensitive(header: str, configured: Iterable[str] = ()) -> bool:
    """Whether a header proves who somebody is; `configured` names more, in lower case."""
    low = header.lower()
    return low in configured or _SENSITIVE.search(low) is not None


def redact(headers: Iterable[tuple[str, str]], configured: Iterable[str] = ()) -> dict[str, str]:
    """The headers by lower-case name, with what proves who somebody is taken out."""
    kept: dict[str, str] = {}
    for name, value in headers:
        low = name.lower()
        if is_sensitive(low, configured):
            kept[low] = REDACTED
        else:
            kept[low] = f"{kept[low]}, {value}" if low in kept else value
    return kept

"""The `Content-Type` header: the media type, and the charset the text is in."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import lru_cache

from base.errors import InvalidInputError, UnsupportedMediaError

# Encodings in which ASCII is ASCII, or that say their byte order: nothing that a decoder
# could be tricked with, and nothing that unpacks.
_CHARSETS = {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16"}


@dataclass(frozen=True, slots=True)
class ContentType:
    """`media` is lower-case and without parameters; empty when there was no header."""

    media: str = ""
    charset: str = "utf-8"

    @property
    def is_json(self) -> bool:
        return self.media == "application/json" or self.media.endswith("+json")

    @property
    def is_text(self) -> bool:
        return self.media.startswith("text/") or self.media.endswith(("/xml", "+xml"))

    def utf8(self, body: bytes) -> bytes:
        """The body in UTF-8 whatever charset it came in; what claims to be UTF-8 as it is."""
        return body if self.charset == "utf-8" else self.text(body).encode()

    def text(self, body: bytes) -> str:
        """The body as text. Raises InvalidInputError for bytes that the charset does not have."""
        try:
            text = body.decode(self.charset)
            text.encode()
        except UnicodeError as error:
            raise InvalidInputError(
                f"the body is not {self.charset}: {error}", code="body_not_text"
            ) from None
        if "\0" in text:
            raise InvalidInputError(
                "NUL characters are not accepted in text", code="body_nul_character"
            )
        return text


@lru_cache(maxsize=512)
def parse_content_type(header: str | None) -> ContentType:
    """Raises UnsupportedMediaError for a charset that is not taken."""
    media, *parameters = (header or "").split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return ContentType(media.strip().lower(), _charset(value.strip().strip("\"'")))
    return ContentType(media.strip().lower())


def _charset(name: str) -> str:
    try:
        known = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = ""
    if known not in _CHARSETS:
        raise UnsupportedMediaError(
            f"the charset {name[:40]!r} is not taken",
            code="charset_unsupported",
            hint="send UTF-8",
        )
    return "utf-8" if known == "ascii" else known

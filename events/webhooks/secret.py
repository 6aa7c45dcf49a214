"""Secrets: where they come from, and that they are never shown.

A secret is named in a file and lives elsewhere: in an environment variable, read once, or
in a file, read again when it changes. Two may be live at once, so that a sender can be
moved from the old one to the new without losing a delivery.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from base.errors import ConfigurationError, UnavailableError
from base.place import within
from base.suggest import hint

Derive = Callable[[bytes], bytes]
"""From the bytes of a secret to the key that is used; raises ValueError with the reason."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_MOST = 2
_MOST_BYTES = 64 * 1024


class Secret:
    """One secret. Its text form says where it comes from, never what it is."""

    __slots__ = ("_derive", "_key", "_origin", "_path", "_stamp")

    def __init__(self, key: bytes, *, origin: str, derive: Derive, path: Path | None) -> None:
        self._derive = derive
        self._key = derive(key)
        self._origin = origin
        self._path = path
        self._stamp = _stamp(path) if path else None

    def __repr__(self) -> str:
        return f"<Secret {self._origin}>"

    def key(self) -> bytes:
        """The key as it is now. Raises UnavailableError while its file cannot be used."""
        if self._path is None:
            return self._key
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._key = self._derive(_read(self._path))
                self._stamp = stamp
        except (OSError, ValueError):
            # Never the old key: a file may have been taken away because it leaked.
            raise UnavailableError(
                "the secret of this hook cannot be read", code="secret_unavailable", retry_after=30
            ) from None
        return self._key


def read_secrets(
    given: Any,
    *,
    place: str,
    environ: Mapping[str, str],
    directory: Path,
    derive: Derive = bytes,
) -> tuple[Secret, ...]:
    """The one or two secrets that `given` names: `{env: NAME}`, `{file: PATH}`, or a list.

    Raises ConfigurationError, also for a secret that is not there or cannot be used.
    """
    items = given if isinstance(given, list) else [given]
    if not 1 <= len(items) <= _MOST:
        raise ConfigurationError(
            f"one secret or two may be live, not {len(items)}", code="secret_invalid", place=place
        )
    return tuple(
        _one(
            item,
            place=within(place, n) if isinstance(given, list) else place,
            environ=environ,
            directory=directory,
            derive=derive,
        )
        for n, item in enumerate(items)
    )


def _one(
    given: Any, *, place: str, environ: Mapping[str, str], directory: Path, derive: Derive
) -> Secret:
    match given:
        case {"env": str(name), **rest} if not rest and _VARIABLE.fullmatch(name):
            value, origin, path = environ.get(name, "").strip().encode(), f"env {name}", None
            absent = f"the environment variable {name} is not set"
        case {"file": str(name), **rest} if not rest:
            path = directory / name
            value, origin = _read_or_nothing(path), f"file {name}"
            absent = f"the file {name} holds no secret, or cannot be read"
        case _:
            raise _not_a_source(given, place)
    if not value:
        raise ConfigurationError(absent, code="secret_missing", place=place)
    try:
        return Secret(value, origin=origin, derive=derive, path=path)
    except ValueError as error:
        raise ConfigurationError(
            f"the secret from {origin} cannot be used: {error}", code="secret_invalid", place=place
        ) from None


def _not_a_source(given: Any, place: str) -> ConfigurationError:
    """Refuses without repeating what was given: it may be the secret itself."""
    advice = "write {env: NAME} or {file: PATH}, and keep the secret there"
    if isinstance(given, str):
        return ConfigurationError(
            "a secret does not stand in the file", code="secret_inline", place=place, hint=advice
        )
    if isinstance(given, dict) and len(given) == 1:
        advice = hint(next(iter(given)), ("env", "file")) or advice
    return ConfigurationError(
        "a secret comes from `env` or from `file`", code="secret_invalid", place=place, hint=advice
    )


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        value = file.read(_MOST_BYTES).strip()
    if not value:
        raise ValueError("the file is empty")
    return value


def _read_or_nothing(path: Path) -> bytes:
    try:
        return _read(path)
    except (OSError, ValueError):
        return b""


def _stamp(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file does, also when another takes its place."""
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size


def keys(secrets: Iterable[Secret]) -> list[bytes]:
    """All keys that are live now."""
    return [secret.key() for secret in secrets]

"""A channel: where notifications go, under a name that rules can say.

    [channels.team]
    url = {env = "TEAM_CHANNEL"}

    [channels.oncall]
    urls = [{env = "ONCALL_DAY", tags = ["day"]}, {env = "ONCALL_NIGHT", tags = ["night"]}]

The URLs are Apprise's and hold the secrets of whoever is addressed; so they are named, never
written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from base.errors import ConfigurationError
from base.secret import SecretRef

NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Address:
    """One URL of a channel, and what it is asked for by."""

    secret: SecretRef
    tags: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """How it is told of; it names the secret and does not tell it."""
        return f"{self.secret.kind} {self.secret.name}"


@dataclass(frozen=True, slots=True)
class Channel:
    addresses: tuple[Address, ...]

    def chosen(self, tags: Iterable[str]) -> tuple[Address, ...]:
        """All addresses; with tags, those that have any of them."""
        wanted = frozenset(tags)
        return tuple(one for one in self.addresses if not wanted or wanted & one.tags)


def parse_channels(form: Any) -> dict[str, Channel]:
    """The channels of the settings. Raises ConfigurationError, which never repeats a value."""
    if not isinstance(form, Mapping):
        raise _wrong("channels", "this is a table of channels")
    return {name: _channel(name, value) for name, value in form.items()}


def _channel(name: str, form: Any) -> Channel:
    if isinstance(form, Channel):
        return form
    place = f"channels.{name}"
    if not NAME.fullmatch(name):
        raise _wrong(place, "a channel's name has letters, digits and - _ . between them")
    if not isinstance(form, Mapping) or form.keys() not in ({"url"}, {"urls"}):
        raise _wrong(place, "a channel has a `url`, or several `urls`, and nothing else")
    listed = form.get("urls", [form.get("url")])
    if not isinstance(listed, list) or not listed:
        raise _wrong(place, "`urls` is a list of at least one")
    return Channel(tuple(_address(place, one) for one in listed))


def _address(place: str, form: Any) -> Address:
    if not isinstance(form, Mapping):
        raise _wrong(place, "a URL of a channel holds secrets: it is named and not written down")
    tags = form.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise _wrong(place, "`tags` is a list of texts")
    rest = {key: value for key, value in form.items() if key != "tags"}
    return Address(SecretRef.parse(rest, place), frozenset(tags))


def _wrong(place: str, message: str) -> ConfigurationError:
    return ConfigurationError(
        message, code="setting_invalid", place=place, hint='such as url = {env = "TEAM_CHANNEL"}'
    )

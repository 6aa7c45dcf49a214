"""Sending a message by Apprise, once; blocking, in a thread of its own.

Apprise, and of it the one service that is addressed, is loaded when the first message is sent:
a server that notifies nobody does not carry it. Only services that speak HTTP or mail are
loaded at all, by the scheme of the URL; none that writes files, runs programs or speaks to the
desktop. Nothing is ever attached.

A URL may lead to a host of one's own, so what holds for calls holds here: no connection is
made to an address that is not public unless the settings allow it. Both `requests` and
`smtplib` connect to what `socket.getaddrinfo` answers, one after the other, and ask it for
literal addresses too; so the answers are what is judged, in this thread alone. See
`docs/decisions/0010-notifications-by-apprise.md`.

What Apprise logs may name the URL: of it the status is read, and the rest is dropped.
"""

from __future__ import annotations

import importlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from automations.backoff import is_final
from automations.target import Allowed

SERVICES: Final = {
    "apprise": "apprise_api", "apprises": "apprise_api",
    "bark": "bark", "barks": "bark",
    "discord": "discord",
    "form": "custom_form", "forms": "custom_form",
    "gchat": "google_chat",
    "gotify": "gotify", "gotifys": "gotify",
    "hassio": "home_assistant", "hassios": "home_assistant",
    "json": "custom_json", "jsons": "custom_json",
    "line": "line",
    "mailgun": "mailgun",
    "mailto": "email", "mailtos": "email",
    "mastodon": "mastodon", "mastodons": "mastodon", "toot": "mastodon", "toots": "mastodon",
    "mmost": "mattermost", "mmosts": "mattermost",
    "ncloud": "nextcloud", "nclouds": "nextcloud",
    "ntfy": "ntfy", "ntfys": "ntfy",
    "opsgenie": "opsgenie",
    "pagerduty": "pagerduty",
    "pbul": "pushbullet",
    "pover": "pushover",
    "resend": "resend",
    "rocket": "rocketchat", "rockets": "rocketchat",
    "sendgrid": "sendgrid",
    "signal": "signal_api", "signals": "signal_api",
    "slack": "slack",
    "splunk": "splunk", "victorops": "splunk",
    "synology": "synology", "synologys": "synology",
    "tgram": "telegram",
    "threema": "threema",
    "twilio": "twilio",
    "vonage": "vonage", "nexmo": "vonage",
    "workflow": "workflows", "workflows": "workflows",
    "wxteams": "webexteams", "webex": "webexteams",
    "xml": "custom_xml", "xmls": "custom_xml",
    "zulip": "zulip",
}  # fmt: skip
"""By the scheme of its URL, the module of Apprise that sends."""

_SCHEME: Final = re.compile(r"([a-z]{2,20})://", re.IGNORECASE)
_STATUS: Final = re.compile(r"error=(\d{3})\b")
_LOGGERS: Final = ("apprise", "urllib3", "requests")


@dataclass(frozen=True, slots=True)
class Refused:
    """The message was not taken: why, in words that name no secret.

    `status` is that of an HTTP answer; `hopeless` says that another attempt would not help.
    """

    code: str
    message: str
    status: int | None = None
    hopeless: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the answer would be the same again."""
        return self.hopeless or (self.status is not None and is_final(self.status))


class _Here(threading.local):
    """What holds in the thread that sends. No slots: those are shared by all threads."""

    def __init__(self) -> None:
        self.allowed: Allowed | None = None
        self.forbidden = False
        self.said: list[str] = []


_here = _Here()
_lock = threading.Lock()
_ask = socket.getaddrinfo


def send(url: str, title: str, message: str, allowed: Allowed) -> Refused | None:
    """Send a message; None where it was taken. Blocks, at most for what the service's timeouts add up to."""
    try:
        service = _service(url)
    except ImportError:
        return Refused("notify_unavailable", "apprise is not installed", hopeless=True)
    if isinstance(service, Refused):
        return service
    with _guarded(allowed):
        try:
            taken = bool(service.notify(body=message, title=title))
        except Exception as error:  # noqa: BLE001 - a hundred services, each with errors of its own
            _here.said.append(type(error).__name__)
            taken = False
        return None if taken else _refusal(url)


def _refusal(url: str) -> Refused:
    scheme = url.partition(":")[0].lower()
    if _here.forbidden:
        return Refused(
            "address_forbidden",
            "it leads to an address that is not public; "
            "allow_private_targets says which of those may be called",
            hopeless=True,
        )
    found = next((match for text in _here.said if (match := _STATUS.search(text))), None)
    if found is not None:
        status = int(found[1])
        return Refused(f"status_{status}", f"{scheme} answered with {status}", status)
    return Refused("not_delivered", f"{scheme} did not take the message")


def _service(url: str) -> Any:
    """What sends to this URL, or why there is nothing."""
    scheme = _SCHEME.match(url)
    module = SERVICES.get(scheme[1].lower()) if scheme else None
    if module is None or scheme is None:
        return Refused(
            "channel_scheme",
            f"a URL that begins with {scheme[0].lower()} is not served"
            if scheme
            else "this is no Apprise URL",
            hopeless=True,
        )
    with _lock:
        apprise = importlib.import_module("apprise")
        plugins = importlib.import_module(f"apprise.plugins.{module}")
        _listen()
    service = _class(plugins, scheme[1].lower(), apprise)
    try:
        parsed = service.parse_url(url)
        asset = apprise.AppriseAsset(
            app_id="Ensue",
            app_desc="Ensue",
            app_url="",
            storage_mode="memory",
            http_redirects=False,
        )
        return service(**parsed, asset=asset) if parsed else _invalid(scheme[1])
    except Exception:  # noqa: BLE001 - its words may repeat the URL
        return _invalid(scheme[1])


def _class(module: Any, scheme: str, apprise: Any) -> Any:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, apprise.NotifyBase):
            service: Any = value
            schemes = (service.protocol, service.secure_protocol)
            if any(scheme == one or (isinstance(one, tuple) and scheme in one) for one in schemes):
                return service
    raise ImportError(scheme)


def _invalid(scheme: str) -> Refused:
    message = f"the URL is not one that {scheme.lower()} can be sent to"
    return Refused("channel_invalid", message, hopeless=True)


@contextmanager
def _guarded(allowed: Allowed) -> Iterator[None]:
    _here.allowed, _here.forbidden, _here.said = allowed, False, []
    try:
        yield
    finally:
        _here.allowed = None


def _listen() -> None:
    """Judge the answers to names, and hear what is logged, from the first message on."""
    if socket.getaddrinfo is _judged:
        return
    socket.getaddrinfo = _judged
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.setLevel(logging.WARNING)
        logger.addHandler(_Ear())


def _judged(host: Any, port: Any, *args: Any, **more: Any) -> Any:
    """`socket.getaddrinfo`; in a thread that sends, without what may not be reached."""
    found = _ask(host, port, *args, **more)
    allowed = _here.allowed
    if allowed is None:
        return found
    name = host.decode() if isinstance(host, bytes) else host or ""
    open_to = [one for one in found if allowed.names(name) or allowed.reaches(str(one[4][0]))]
    if not open_to:
        _here.forbidden = True
        raise OSError("the address is not public")
    return open_to


class _Ear(logging.Handler):
    """Keeps what is said in the thread that sends; it goes no further."""

    def emit(self, record: logging.LogRecord) -> None:
        if _here.allowed is not None:
            _here.said.append(record.getMessage())

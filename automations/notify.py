"""Sending a notification to the addresses of its channel.

Each address is sent to in a thread of its own, which the service does not wait for when it
stops. What was taken by some addresses and not by others is noted, so that another attempt is
made with those that did not take it, and with nobody else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from automations import apprise_sender
from automations.apprise_sender import Refused
from automations.notify_action import Notification
from automations.outcome import ActionFailure
from automations.target import Allowed
from base.channel import Address, Channel
from base.errors import ConfigurationError
from base.logs import logger

TIMEOUT: Final = 60.0
"""Seconds for all addresses of a channel together."""

log = logger("notify")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who has the message by now, of this attempt and those before, and why not everybody."""

    sent: tuple[str, ...]
    refused: Refused | None = None

    def to_json(self) -> dict[str, Any]:
        return {"sent": list(self.sent)}


class Notifier:
    """Sends notifications over the channels of the settings."""

    def __init__(self, channels: Mapping[str, Channel], allowed: Allowed) -> None:
        self._channels = channels
        self._allowed = allowed

    async def send(self, notification: Notification, before: Collection[str] = ()) -> Delivery:
        """`before` are the addresses that have it already. Raises nothing but CancelledError."""
        addresses = notification.addresses(self._channels)
        if isinstance(addresses, ActionFailure):
            return Delivery((), Refused(addresses.code, addresses.message, hopeless=True))
        sent = [one.name for one in addresses if one.name in before]
        refusals: list[Refused] = []
        try:
            async with asyncio.timeout(TIMEOUT):
                for address in addresses:
                    if address.name in sent:
                        continue
                    refused = await _in_a_thread(partial(self._try, address, notification))
                    if refused is None:
                        sent.append(address.name)
                    else:
                        refusals.append(refused)
        except TimeoutError:
            refusals.append(Refused("timeout", f"there was no end within {TIMEOUT:g} s"))
        worth = (one for one in refusals if not one.is_final)
        return Delivery(tuple(sent), next(worth, refusals[0] if refusals else None))

    def _try(self, address: Address, notification: Notification) -> Refused | None:
        try:
            url = address.secret.reveal()
        except ConfigurationError as error:
            # Somebody may put it there yet.
            return Refused(error.code, error.message)
        try:
            return apprise_sender.send(url, notification.title, notification.message, self._allowed)
        except Exception as error:  # noqa: BLE001 - its words, and its trace, may repeat the URL
            log.warning("notification_not_sent", address=address.name, error=type(error).__name__)
            return Refused("not_delivered", "the message could not be sent")


async def _in_a_thread(work: Callable[[], Refused | None]) -> Refused | None:
    """What the work gives; a stop does not wait for it, and a timeout leaves it behind."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Refused | None] = loop.create_future()

    def finish(result: Refused | None) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        result = work()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, result)

    threading.Thread(target=run, name="notify", daemon=True).start()
    return await future

"""The clients: they send what is planned, and again until it is acknowledged.

Of those whose outcome is unknown some give up for ever, as clients do; of what was
acknowledged some is sent once more after a restart.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import aiohttp

from tests.chaos.ledger import Answer, Ledger, Reply, Sent
from tests.chaos.plan import Outside, Shipment
from tests.chaos.project import HOOK, SECRET
from tests.chaos.service import Service

CLIENTS = 16
_ABANDONED = 0.1
_AGAIN = 0.1
_KEY = base64.b64decode(SECRET.removeprefix("whsec_"))


class Senders:
    """`run` ends when every shipment is acknowledged or given up."""

    def __init__(self, service: Service, ledger: Ledger, plan: Iterator[Shipment], seed: int):
        self.rate = 50.0
        """Events a second; to be set for as long as the service may live this time."""
        self.left = 0
        """Events not handed to a client yet; to be set once before `run`."""
        self._service = service
        self._ledger = ledger
        self._plan = plan
        self._random = Random(seed)
        self._queue: asyncio.Queue[Shipment | None] = asyncio.Queue(CLIENTS)
        self._later: list[Shipment] = []
        self._repeats: deque[Shipment] = deque()

    def restarted(self) -> None:
        """What was chosen to be sent once more is due now."""
        self._repeats.extend(self._later)
        self._later.clear()

    async def run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=15)
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._feed())
            for _ in range(CLIENTS):
                group.create_task(self._client(session))

    async def repeat_rest(self) -> None:
        """Send what was still to be sent once more."""
        self.restarted()
        self._plan = iter(())
        await self.run()

    async def _feed(self) -> None:
        due = time.monotonic()
        for shipment in self._shipments():
            await self._service.up.wait()
            await self._queue.put(shipment)
            due = max(due + len(shipment.events) / self.rate, time.monotonic() - 0.2)
            await asyncio.sleep(max(due - time.monotonic(), 0))
        for _ in range(CLIENTS):
            await self._queue.put(None)

    def _shipments(self) -> Iterator[Shipment]:
        for shipment in self._plan:
            while self._repeats:
                yield self._repeats.popleft()
            self.left -= len(shipment.events)
            yield shipment
        while self._repeats:
            yield self._repeats.popleft()

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while (shipment := await self._queue.get()) is not None:
            await self._deliver(session, shipment)

    async def _deliver(self, session: aiohttp.ClientSession, shipment: Shipment) -> None:
        entries = self._ledger.open(shipment)
        while True:
            await self._service.up.wait()
            reply = await self._post(session, shipment)
            self._ledger.note(entries, reply)
            if reply.answer in {Answer.TAKEN, Answer.WRONG}:
                break
            if reply.answer is Answer.UNKNOWN and self._give_up(entries):
                return
            await asyncio.sleep(0.02)
        if not shipment.again and self._random.random() < _AGAIN:
            self._later.append(Shipment(shipment.events, shipment.way, again=True))

    def _give_up(self, entries: Sequence[Sent]) -> bool:
        if self._random.random() >= _ABANDONED:
            return False
        for entry in entries:
            entry.abandoned = not entry.acked
        return True

    async def _post(self, session: aiohttp.ClientSession, shipment: Shipment) -> Reply:
        path, body, headers = _request(shipment)
        began = time.monotonic()
        try:
            async with session.post(
                self._service.url + path, data=body, headers=headers
            ) as response:
                answer = await response.json(content_type=None)
                return _reply(shipment, response.status, answer, time.monotonic() - began)
        except aiohttp.ClientConnectorError:
            return Reply(Answer.UNREACHABLE)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return Reply(Answer.UNKNOWN)


def _request(shipment: Shipment) -> tuple[str, bytes, dict[str, str]]:
    events = [event.cloudevent() for event in shipment.events]
    match shipment.way:
        case "single":
            kind = "application/cloudevents+json"
            return "/api/events", json.dumps(events[0]).encode(), {"Content-Type": kind}
        case "batch":
            kind = "application/cloudevents-batch+json"
            return "/api/events", json.dumps(events).encode(), {"Content-Type": kind}
        case "hook":
            return _delivery(shipment.events[0])


def _delivery(event: Outside) -> tuple[str, bytes, dict[str, str]]:
    """Signed as Standard Webhooks says; a repetition has the same id and a new time."""
    body = json.dumps({"type": event.type, "data": event.data}).encode()
    stamp = str(int(time.time()))
    digest = hmac.digest(_KEY, f"{event.id}.{stamp}.".encode() + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
    return f"/hooks/{HOOK}", body, headers


def _reply(shipment: Shipment, status: int, answer: Any, seconds: float) -> Reply:
    if status == 503:
        return Reply(Answer.REFUSED, seconds=seconds)
    if shipment.way == "hook" and status in {200, 202}:
        return Reply(Answer.TAKEN, int(status == 202), seconds)
    if shipment.way != "hook" and status == 202:
        return Reply(Answer.TAKEN, int(answer["accepted"]), seconds)
    return Reply(Answer.WRONG, text=f"{status} {json.dumps(answer)[:300]}")

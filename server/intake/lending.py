"""The server's side of the reader: connections are lent while much comes in, and come back.

    quiet ── much comes in ──▶ starting ──▶ lending ── nothing lent for a while ──▶ quiet
                                   └── it does not start, or dies: a pause that doubles ──▶ quiet

A connection is lent between two of its requests, with the bytes of the one that just came. From
then on the reader owns it; what is answered still comes from here, for each request on its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from time import perf_counter
from typing import Any, Final

from base.errors import EnsueError
from base.logs import logger
from base.services import Service
from events.codec import Decoded
from events.event import Event
from server.intake.channel import Channel
from server.intake.head import MAX_HEADS
from server.intake.wire import (
    ANSWERED,
    CLOSED,
    HEAD,
    LENT,
    PING,
    READY,
    RETURNED,
    STOP,
    TAKEN,
)
from server.problems import problem, unexpected
from server.quick import spelled
from server.route import EventFlight, Route
from server.timing import Timing

BUSY: Final = 1_000
"""Pieces of work within `SPAN` from which on connections are lent."""
SPAN: Final = 0.5
PIECE: Final = 512
"""Bytes that count as a piece of work; a request is one at least."""
MANY: Final = 24
"""Connections from which on a reader pays for small requests. With fewer each request is waited
for, by the server and by its client, and one more process to be woken makes that longer."""
LARGE: Final = 1_024
"""Bytes of a request for which it always pays."""
UNUSED: Final = 15.0
"""Seconds with nothing lent after which the reader ends."""
DEAF: Final = 15.0
"""Seconds without an answer after which a reader is taken for dead."""
_START: Final = 10.0
_DRAIN: Final = 5.0
_PATIENCE: Final = (1.0, 60.0)
"""Seconds after a reader that died before another is started: at first, and at most."""
_LONG: Final = 3_600.0

log = logger("intake")


class Lending(Service):
    """See the module. There is at most one reader."""

    def __init__(
        self,
        route: Route,
        take: Callable[[Decoded], EventFlight],
        timing: Timing,
        *,
        max_bytes: int,
        max_events: int,
    ) -> None:
        """`take` begins a request of `route` whose events were decoded, or raises what refuses it."""
        super().__init__("intake")
        self.route = route
        self._take = take
        self._timing = timing
        self._limits = str(max_bytes), str(max_events)
        self._heads: dict[bytes, str | None] = {}
        self._wanted = False
        self._work = 0
        self._since = 0.0
        self._patience = _PATIENCE[0]
        self._not_before = 0.0
        self._lent: set[int] = set()
        self._number = 0
        self._heard = 0.0
        self._channel: Channel | None = None
        self._ready = asyncio.Event()
        """The reader answered, or is gone."""
        self._answers: list[tuple[int, int | bytes]] = []
        self.lending = False
        """Whether connections can be lent now."""
        self.home: Callable[[socket.socket, bytes], Awaitable[None]] = _closed
        """Takes a connection back, and the bytes of it that were not answered."""

    @property
    def lent(self) -> int:
        """How many connections the reader has."""
        return len(self._lent)

    # -- for connections -------------------------------------------------------------------

    def learn(self, route: Route, likeness: bytes, content_type: str | None) -> None:
        """Heads like this one mean a request for this route."""
        if route is not self.route:
            return
        if len(self._heads) >= MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[likeness] = content_type
        self._tell(HEAD, likeness, content_type)

    def pays(self, size: int, connections: int) -> bool:
        """Whether such a request is better read by the reader, with so many open connections."""
        return size >= LARGE or connections >= MANY

    def note(self, size: int, connections: int) -> None:
        """A request of so many bytes was begun here, which could have been lent."""
        if not self.pays(size, connections):
            return
        self._work += 1 + size // PIECE
        if self._work < BUSY:
            return
        self._work, since, self._since = 0, self._since, perf_counter()
        if self._since - since < SPAN and self._since > self._not_before:
            self._wanted = True
            self.wake()

    def lend(self, transport: asyncio.BaseTransport, data: bytes) -> bool:
        """Give this connection away, with the request that just came; False: serve it yourself.

        The caller closes its own end without another byte.
        """
        descriptor = transport.get_extra_info("socket").fileno()
        number = self._number + 1
        if self._channel is None or not self._channel.hand_over(descriptor, LENT, number, data):
            return False
        self._number = number
        self._lent.add(number)
        return True

    # -- the service -----------------------------------------------------------------------

    async def run(self) -> None:
        while not self.stopping.is_set():
            if not self._wanted:
                await self.pause(_LONG)
                continue
            if await self._serve():
                self._patience = _PATIENCE[0]
            elif not self.stopping.is_set():
                self._not_before = perf_counter() + self._patience
                self._patience = min(self._patience * 2, _PATIENCE[1])
            self._wanted = False

    async def _serve(self) -> bool:
        """One reader, from its start to its end; False where it did not end as it was told."""
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            try:
                process = await create_subprocess_exec(
                    sys.executable, "-P", "-m", "ensue_server.reader", str(fd), *self._limits,
                    pass_fds=(fd,), stdin=DEVNULL, stdout=DEVNULL,
                )  # fmt: skip
            except OSError as error:
                ours.close()
                log.warning("reader_not_started", error=str(error))
                return False
        self._ready.clear()
        self._channel = channel = Channel(ours, self._told, self._left)
        try:
            for likeness, content_type in self._heads.items():
                channel.tell(HEAD, likeness, content_type)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), _START)
            if not (channel.is_open and self._ready.is_set()):
                log.warning("reader_not_started")
                return False
            log.info("reader_started", pid=process.pid)
            self._heard = perf_counter()
            self.lending = True
            return await self._until_unused(channel, process)
        finally:
            self.lending = False
            self._lent.clear()
            channel.close()
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _until_unused(self, channel: Channel, process: Process) -> bool:
        """Lend until nothing is lent for a while, or until the service stops."""
        used = perf_counter()
        while channel.is_open and not self.stopping.is_set():
            at = perf_counter()
            if self._lent:
                used = at
            if at - used > UNUSED:
                break
            if at - self._heard > DEAF:
                log.warning("reader_deaf", lent=self.lent)
                return False
            channel.tell(PING)
            await self.pause(1.0)
        if not channel.is_open:
            return False
        self.lending = False
        channel.tell(STOP)
        try:
            await asyncio.wait_for(process.wait(), _DRAIN)
        except TimeoutError:
            log.warning("reader_does_not_end", lent=self.lent)
        else:
            log.info("reader_ended")
        return True

    # -- the reader ------------------------------------------------------------------------

    def _told(self, kind: int, *told: Any) -> None:
        self._heard = perf_counter()
        if kind == TAKEN:
            self._begin(*told)
        elif kind == RETURNED:
            number, data = told
            self._lent.discard(number)
            assert self._channel is not None
            self._take_back(self._channel.taken_over(), data)
        elif kind == CLOSED:
            self._lent.discard(*told)
        elif kind == READY:
            self._ready.set()

    def _left(self) -> None:
        if self.lending:
            log.warning("reader_lost", lent=self.lent)
        self.lending = False
        self._lent.clear()
        self._ready.set()
        self.wake()

    def _tell(self, *message: Any) -> None:
        if self._channel is not None:
            self._channel.tell(*message)

    def _take_back(self, back: socket.socket, data: bytes) -> None:
        if self.stopping.is_set():
            back.close()  # as the server does with its own
        else:
            self.spawn(self._take_home(back, data), "home")

    async def _take_home(self, back: socket.socket, data: bytes) -> None:
        try:
            await self.home(back, data)
        except OSError:
            back.close()

    def _begin(self, requests: Iterable[tuple[int, float, bool, list[Any]]]) -> None:
        for number, began, batch, events in requests:
            try:
                flight = self._take(Decoded([Event(*packed) for packed in events], batch))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and logged
                self._refuse(number, began, error)
            else:
                flight.future.add_done_callback(partial(self._answer, number, began, flight))

    def _answer(self, number: int, began: float, flight: EventFlight, _: object) -> None:
        try:
            duplicates = flight.duplicates()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and logged
            self._refuse(number, began, error)
            return
        self._timing.note(self.route, self.route.status, perf_counter() - began)
        self._say(number, duplicates)

    def _refuse(self, number: int, began: float, error: Exception) -> None:
        route = self.route
        if isinstance(error, EnsueError):
            response = problem(error)
        else:
            response = unexpected(error, method=route.method, path=route.path)
        self._timing.note(route, response.status, perf_counter() - began)
        self._say(number, spelled(response))

    def _say(self, number: int, outcome: int | bytes) -> None:
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._flush)
        self._answers.append((number, outcome))

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        self._tell(ANSWERED, answers)


async def _closed(back: socket.socket, _: bytes) -> None:
    back.close()

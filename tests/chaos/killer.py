"""Whoever ends processes: at random moments, at each failpoint, or politely."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.chaos.sender import Senders
from tests.chaos.service import Service, ServiceError, send, until

FAILPOINTS = {
    "before_commit": 30,
    "after_commit": 30,
    "before_ack": 30,
    "after_claim": 3,
    "before_launch": 3,
    "before_go": 3,
    "after_send": 5,
    "before_mark_done": 5,
}
"""Those that are passed while events are taken in, and at most at which pass to strike."""

SHORTEST, LONGEST = 0.2, 2.0
"""Seconds for which the service may live once it is ready."""
_REACHED_WITHIN = 10.0
_TRIES = 5
_SLOWEST_RATE = 20.0

Target = Literal["server", "fork server", "run"]


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing to kill, after so many seconds; a failpoint says for itself when."""

    uptime: float
    target: Target = "server"
    failpoint: str | None = None
    tries: int = 0


def blows(seed: int, kills: int, longest: float = LONGEST) -> list[Blow]:
    """So many, with every failpoint among them at least once where they suffice."""
    random = Random(seed)
    planned = [
        Blow(1.0, failpoint=f"{name}:{random.randint(1, most)}")
        for name, most in FAILPOINTS.items()
    ]
    planned = planned[:kills]
    while len(planned) < kills:
        target: Target = random.choices(("server", "fork server", "run"), (80, 10, 10))[0]
        planned.append(Blow(random.uniform(SHORTEST, longest), target))
    random.shuffle(planned)
    return planned


class Killer:
    """Ends what it can and starts it again at once, until it has struck often enough."""

    def __init__(self, service: Service, senders: Senders, struck: Callable[[], None]) -> None:
        self.kills: Counter[str] = Counter()
        """By what was killed."""
        self.missed: list[str] = []
        """Failpoints that were never reached."""
        self._service = service
        self._senders = senders
        self._struck = struck

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    async def run(self, planned: list[Blow]) -> None:
        """Strike all blows; at the end the service is up."""
        queue = list(planned)
        while queue:
            blow = queue.pop(0)
            if not await self._strike(blow, left=len(queue) + 1):
                if blow.tries < _TRIES:
                    first = (blow.failpoint or "").partition(":")[0]
                    queue.append(Blow(1.0, failpoint=first, tries=blow.tries + 1))
                else:
                    self.missed.append(blow.failpoint or blow.target)
        await self.ensure_up()

    async def ensure_up(self) -> None:
        while not self._service.running:
            if await self._service.start():
                self._senders.restarted()

    async def _strike(self, blow: Blow, left: int) -> bool:
        """False where a failpoint was not reached."""
        if blow.failpoint:
            return await self._strike_at(blow.failpoint, left)
        await self.ensure_up()
        self._pace(left, blow.uptime)
        if await self._service.died(blow.uptime):
            raise ServiceError(f"it died by itself: {self._service.last_words()}")
        await self._hit(blow.target)
        return True

    async def _strike_at(self, failpoint: str, left: int) -> bool:
        if self._service.running:
            await self._service.kill()
            self._note("server")
        self._pace(left, 1.0)
        if await self._service.start(failpoint):
            self._senders.restarted()
            if not await self._service.died(_REACHED_WITHIN):
                return False
        self._note(failpoint.partition(":")[0])
        return True

    async def _hit(self, target: Target) -> None:
        if target == "run":
            found: list[int] = []

            def looked() -> bool:
                found[:] = self._service.children()
                return bool(found)

            await until(looked, 1.0)
            pids = found[:1]
        else:
            pids = self._service.fork_servers() if target == "fork server" else []
        if pids and send(pids, signal.SIGKILL):
            self._note(target)
            return
        await self._service.kill()
        self._note("server")

    def _pace(self, left: int, uptime: float) -> None:
        """Spread what is to be sent over the lives that the service still has."""
        self._senders.rate = max(self._senders.left / left / uptime, _SLOWEST_RATE)

    def _note(self, what: str) -> None:
        self.kills[what] += 1
        self._struck()


class Operator:
    """Ends the service as it should be ended, over and over under load."""

    def __init__(self, service: Service, senders: Senders, struck: Callable[[], None]) -> None:
        self.seconds: list[float] = []
        """How long each stop took."""
        self._service = service
        self._senders = senders
        self._struck = struck

    async def run(self, times: int, seed: int, longest: float = LONGEST) -> None:
        random = Random(seed)
        for left in range(times, 0, -1):
            uptime = random.uniform(SHORTEST, longest)
            self._senders.rate = max(self._senders.left / left / uptime, _SLOWEST_RATE)
            if await self._service.died(uptime):
                raise ServiceError(f"it died by itself: {self._service.last_words()}")
            self.seconds.append(await self._service.stop())
            self._struck()
            await self._service.start()
            self._senders.restarted()

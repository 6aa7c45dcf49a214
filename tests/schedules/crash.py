"""Schedules in a process that is killed amid them, by SIGKILL, at moments of its own choosing.

It is started again over the same database, at once, and does again what it did not say was done:
so events come once more that may have been stored. Whether the transaction that the kill met was
committed can be seen from the log; that is all that the model has to be told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from base.database import Address
from tests.schedules.generate import batch
from tests.schedules.model import Rule
from tests.schedules.moves import Move, moves
from tests.schedules.service import Service
from tests.schedules.trial import Difference, compared, wanted

ROOT = Path(__file__).parents[2]
FAILPOINTS = ("before_commit", "after_commit", "before_ack")


class ChildError(Exception):
    """It died by itself."""


@dataclass
class Killed:
    """One batch of schedules, and what happened to the process that did them."""

    address: Address
    kind: str
    seed: int
    size: int
    kills: int
    struck: list[str] = field(default_factory=list)
    done: list[Move] = field(default_factory=list)
    _head: int = 0
    _next: int = 0

    async def differences(self) -> tuple[dict[str, Difference], Mapping[str, Rule]]:
        """Run them all; where service and model disagree, and the model."""
        schedules = batch(self.kind, self.seed, self.size)
        planned = moves(schedules)
        random = Random(f"kills {self.kind} {self.seed}")
        while not await self._life(planned, random):
            pass
        service = Service(self.address, schedules)
        await service.open()
        try:
            rules = wanted(self.done, schedules)
            return compared(*await service.found(), rules), rules
        finally:
            await service.close()

    async def _life(self, planned: list[Move], random: Random) -> bool:
        """From a start to the end, or to the next kill."""
        failpoint, after = "", 0
        if len(self.struck) < self.kills:
            left = (len(planned) - self._next) // (self.kills - len(self.struck) + 1)
            after = random.randint(2, max(left, 3))
            failpoint = random.choice((*FAILPOINTS, ""))
        command = [sys.executable, "-m", "tests.schedules.child"]
        command += [str(self.address.path or self.address.url), self.kind]
        command += map(str, (self.seed, self.size, self._next))
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=os.environ | ({"ENSUE_FAILPOINT": f"{failpoint}:{after}"} if failpoint else {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            return await self._watched(process, planned, failpoint, after)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def _watched(
        self, process: asyncio.subprocess.Process, planned: list[Move], failpoint: str, after: int
    ) -> bool:
        assert process.stdout
        assert process.stderr
        async for line in process.stdout:
            word, *numbers = line.decode().split()
            match word, [int(number) for number in numbers]:
                case "head", [head]:
                    self._began(planned, head)
                case "committed", [number, head]:
                    self.done.append(planned[number])
                    self._head = head
                    after -= 1
                case "did", [number]:
                    self._next = number + 1
                case "end", _:
                    await process.communicate()
                    return True
            if not failpoint and after == 0 and len(self.struck) < self.kills:
                after = -1
                process.kill()
        told = (await process.stderr.read()).decode()
        if await process.wait() != -9:
            raise ChildError(told)
        self.struck.append(failpoint or "at any moment")
        return False

    def _began(self, planned: list[Move], head: int) -> None:
        """It is back, in the middle of a move that may have been committed."""
        if not self.struck:
            return
        if head > self._head:
            self.done.append(planned[self._next])
        self._head = head
        if planned[self._next].kind != "start":
            self.done.append(Move("start", planned[self._next].now))

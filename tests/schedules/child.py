"""The service in a process of its own, so that it can be killed: does moves, and says what is done.

    python -m tests.schedules.child DATABASE KIND SEED SIZE FROM

First it says how far the log has come; then after each transaction which move that was of, and
how far the log has come now.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from base.database import Address
from tests.schedules.generate import batch
from tests.schedules.moves import Move, moves
from tests.schedules.service import Service


def address_of(text: str) -> Address:
    if text.startswith("postgresql:"):
        return Address("postgresql", url=text)
    return Address("sqlite", path=Path(text))


async def run(address: Address, kind: str, seed: int, size: int, first: int) -> None:
    schedules = batch(kind, seed, size)
    planned = moves(schedules)
    service = Service(address, schedules)
    await service.open()
    _say("head", await service.head())
    if planned[first].kind != "start":
        async for _ in service.do(Move("start", planned[first].now)):
            pass
    for number, move in enumerate(planned[first:], first):
        async for _ in service.do(move):
            _say("committed", number, await service.head())
        _say("did", number)
    await service.close()
    _say("end")


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(address_of(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])))

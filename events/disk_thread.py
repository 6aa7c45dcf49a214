"""The one thread that waits for the disk.

`run_in_executor` goes through two futures and their callbacks; this goes through one, which
at a thousand commits a second is a tenth of what a commit costs the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

_Order = tuple[Callable[[], object], asyncio.Future[None]]


class DiskThread:
    """Runs what it is given, one after another, while the event loop goes on."""

    def __init__(self) -> None:
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="disk", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], object]) -> asyncio.Future[None]:
        """Resolved, or failed with what `work` raised, when it has ended."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._orders.put((work, future))
        return future

    def stop(self) -> None:
        """Take nothing more; what was given before is still done."""
        self._orders.put(None)

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            work, future = order
            error: BaseException | None = None
            try:
                work()
            except BaseException as raised:  # noqa: BLE001 - whoever waits for it is told
                error = raised
            try:
                future.get_loop().call_soon_threadsafe(_resolve, future, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more


def _resolve(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)

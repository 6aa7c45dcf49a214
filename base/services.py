"""Long-lived things: how they start, run and stop, and what happens when one dies.

    NEW ──start()──▶ STARTING ──open() returns──▶ READY ──stop()──▶ STOPPING ──▶ STOPPED
     └─────────────────── stop() ─────────────────────────────────────────────────▲

A `Service` is written by overriding up to three methods:

* `open()` gets what it needs; when it returns, the service is ready to be used;
* `run()` works until `self.stopping` is set;
* `close()` gives everything back. It is called once, also after an `open()` that failed
  half way, so it must bear a thing that was never opened.

Guarantees. `start()` and `stop()` may be called from any task, in any order, any number of
times: a service is opened at most once, closed exactly once if opening began, and once
stopped it stays so. `stop()` does not hang: what has not finished by the deadline is
cancelled. A `run()` that ends without being asked to, and spawned work that raises, is the
death of the service; the `ServiceGroup` then stops all of them and raises
`ServiceDiedError`, so that a process never lives on as half of itself.

All tasks of the program are created in this file.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from base.errors import EnsueError
from base.logs import logger

GRACE = timedelta(seconds=20)
"""How long a stop may drain before what is left is cancelled."""

_LAST_WORDS = 3.0
"""Seconds that cancelled work, and then `close()`, get beyond the deadline."""

_T = TypeVar("_T")

log = logger("services")


class ServiceDiedError(EnsueError):
    """A service ended without being asked to; the process must not go on without it."""

    default_code = "service_died"


class ServiceStoppedError(EnsueError):
    """A service was stopped before or while it was started."""

    default_code = "service_stopped"


class State(enum.Enum):
    NEW = "new"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Service:
    """One long-lived thing. Enter it with `async with`, or hand it to a `ServiceGroup`."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).__name__.lower()
        self.state = State.NEW
        self.stopping = asyncio.Event()
        self.failure: BaseException | None = None
        self.on_death: Callable[[Service], None] | None = None
        self._turn = asyncio.Lock()
        self._woken = asyncio.Event()
        self._touched = False
        self._opening: asyncio.Task[None] | None = None
        self._main: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining: set[asyncio.Task[Any]] = set()

    # What a service overrides.

    async def open(self) -> None:
        """Get ready. Raising here means that the service did not start."""

    async def run(self) -> None:
        """Work until `self.stopping` is set. Not called where it is not overridden."""

    async def close(self) -> None:
        """Give everything back. No task of this service is running any more."""

    # What a service uses.

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    def spawn(
        self, work: Coroutine[Any, Any, _T], name: str, *, drain: bool = False
    ) -> asyncio.Task[_T]:
        """Do this in the background, for as long as the service lives.

        A stop cancels it at once, or with `drain` lets it finish until the deadline. What it
        raises is the death of the service: work that may fail catches its own errors.
        """
        if self.state is State.STOPPED:
            work.close()
            raise ServiceStoppedError(f"{self.name} is stopped and takes no more work ({name})")
        task = asyncio.create_task(work, name=f"{self.name}.{name}")
        self._tasks.add(task)
        if drain:
            self._draining.add(task)
        elif self.stopping.is_set():
            task.cancel()
        task.add_done_callback(self._ended)
        return task

    def wake(self) -> None:
        """End the current or next `pause()`: there may be something to do."""
        self._woken.set()

    async def pause(self, seconds: float) -> None:
        """Wait this long, or until `wake()`, or until the service is to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        if not self.stopping.is_set():
            self._woken.clear()

    # What the owner of a service calls.

    async def start(self) -> None:
        """Return when the service is ready; a second call waits for the first.

        Raises what `open()` raised, after everything was given back, or
        `ServiceStoppedError` if it was stopped meanwhile or before.
        """
        async with self._turn:
            if self.state is State.READY:
                return
            if self.stopping.is_set():
                self.state = State.STOPPED
                raise ServiceStoppedError(f"{self.name} was stopped before it started")
            self.state = State.STARTING
            try:
                await self._opened()
            except BaseException:
                await self._finish(0)
                raise
            self.state = State.READY
            if type(self).run is not Service.run:
                self._main = self.spawn(self.run(), "run", drain=True)

    async def stop(self, within: timedelta = GRACE) -> None:
        """Drain, then cancel what is left, then close. Never-started and twice are fine."""
        deadline = _clock() + within.total_seconds()
        self.stopping.set()
        self.wake()
        if self._opening:
            self._opening.cancel()
        async with self._turn:
            if self.state is State.NEW:
                self.state = State.STOPPED
            if self.state is State.STOPPED:
                return
            self.state = State.STOPPING
            _cancel(self._tasks - self._draining)
            try:
                while self._draining and (left := deadline - _clock()) > 0:
                    await asyncio.wait(self._draining, timeout=left)
                    await asyncio.sleep(0)  # the callbacks that take the finished ones out
            finally:
                await self._finish(deadline - _clock())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if self.failure and error is None:
            raise ServiceDiedError(f"{self.name} died: {self.failure!r}") from self.failure

    # The inside.

    async def _opened(self) -> None:
        self._opening = asyncio.create_task(self._touch(), name=f"{self.name}.open")
        try:
            await self._opening
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller and caller.cancelling():
                raise
            raise ServiceStoppedError(f"{self.name} was stopped while it started") from None
        finally:
            self._opening = None

    async def _touch(self) -> None:
        self._touched = True  # a task that is cancelled before its first step opens nothing
        await self.open()

    async def _finish(self, left: float) -> None:
        self.state = State.STOPPING
        self.stopping.set()
        try:
            if self._tasks:
                _cancel(self._tasks)
                _, stuck = await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
                for task in stuck:
                    log.error("task_ignores_cancellation", service=self.name, task=task.get_name())
            if self._touched:
                async with asyncio.timeout(max(left, _LAST_WORDS)):
                    await self.close()
        finally:
            self.state = State.STOPPED

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._draining.discard(task)
        if task.cancelled():
            error: BaseException | None = None
        else:
            error = task.exception()
        if error is None and (task is not self._main or self.stopping.is_set()):
            return
        error = error or ServiceDiedError(f"{self.name} ended without being asked to")
        self.failure = self.failure or error
        log.critical("service_died", service=self.name, task=task.get_name(), exc_info=error)
        if self.on_death:
            self.on_death(self)


class ServiceGroup:
    """Services that live and die together: started in order, stopped in reverse.

    The deadline is one for all of them. `failure` is set once a member has died.
    """

    def __init__(self, services: Iterable[Service] = (), *, grace: timedelta = GRACE) -> None:
        self.failure: BaseException | None = None
        self.stopping = asyncio.Event()
        self._grace = grace
        self._over = asyncio.Event()
        self._background = Service("background")
        self._services: list[Service] = []
        self._stopper: asyncio.Task[None] | None = None
        for service in (self._background, *services):
            self.add(service)

    def add(self, service: Service) -> None:
        """Append a service; before `start()`. Raises ValueError for one that is in the group."""
        if service in self._services:
            raise ValueError(f"{service.name} is in the group already")
        service.on_death = self._died
        self._services.append(service)

    @property
    def ready(self) -> bool:
        return self.failure is None and all(service.ready for service in self._services)

    @property
    def waiting_for(self) -> list[str]:
        """The names of the services that are not ready."""
        return [service.name for service in self._services if not service.ready]

    def spawn(
        self, work: Coroutine[Any, Any, _T], name: str, *, drain: bool = False
    ) -> asyncio.Task[_T]:
        """As `Service.spawn`, for work of the whole; it outlives every member."""
        return self._background.spawn(work, name, drain=drain)

    async def start(self) -> None:
        """Start all in order; if one fails, stop those that started and raise its error."""
        try:
            for service in list(self._services):
                began = _clock()
                await service.start()
                took = round((_clock() - began) * 1_000, 1)
                log.debug("service_ready", service=service.name, milliseconds=took)
        except BaseException:
            await self.stop()
            raise

    async def stop(self, within: timedelta | None = None) -> None:
        """Stop all in reverse order; an error in one does not spare the others."""
        self.stopping.set()
        deadline = _clock() + (self._grace if within is None else within).total_seconds()
        for service in reversed(self._services):
            try:
                await service.stop(timedelta(seconds=max(deadline - _clock(), 0)))
            except Exception as error:
                self.failure = self.failure or error
                log.exception("service_stop_failed", service=service.name)

    async def serve(self, on_ready: Callable[[], None] | None = None) -> None:
        """Start, live until SIGTERM, SIGINT or a death, and stop.

        The first signal drains to the deadline, the second ends the process on the spot; so
        does a stop that hangs. Raises `ServiceDiedError` after a death.
        """
        with self._signals():
            try:
                await self.start()
                if on_ready:
                    on_ready()
                await self._over.wait()
            except ServiceStoppedError:
                if not self._over.is_set():
                    raise
            finally:
                with _watchdog(self._grace.total_seconds() + 5 * _LAST_WORDS):
                    await self.stop()
        self._raise_failure()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if error is None:
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self.failure:
            raise ServiceDiedError(f"a service died: {self.failure!r}") from self.failure

    def _died(self, service: Service) -> None:
        self.failure = self.failure or service.failure
        self._over.set()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stopper:
            log.warning("stopped_at_once", signal=number.name)
            os._exit(128 + number)
        log.info("stopping", signal=number.name, grace=self._grace.total_seconds())
        self._over.set()
        # Also from here, and not only from serve(): a start that is under way ends by it.
        self._stopper = asyncio.create_task(self.stop(), name="stop")


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in list(tasks):
        task.cancel()


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    """Print all stacks and end the process if this block is not left in time."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()

"""Launches runs as processes: keeps one fork server warm, and brings it back when it died."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from base.errors import EnsueError
from base.logs import logger
from base.services import Service
from engine.zygote_client import LaunchError, Process, ZygoteClient

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_FLOORS: Final = Path(__file__).resolve().parents[1]

log = logger("launcher")


class ProcessLauncher(Service):
    """The processes of one worker.

    Starting does not wait for the fork server: `up` is set when it can launch, `problem` says
    why it cannot. It is started again by itself, each failure waiting twice as long.

    `patience` is how many seconds its processes live without `renew()`; None where nobody else
    could take their runs.
    """

    def __init__(
        self, directory: Path, *, python: str | None = None, patience: float | None
    ) -> None:
        super().__init__("launcher")
        self.up = asyncio.Event()
        self.problem: str | None = None
        self.on_up: Callable[[], None] = lambda: None
        self._directory = directory
        self._python = python
        self._patience = patience
        self._zygote: ZygoteClient | None = None

    @property
    def python(self) -> str:
        """The interpreter of the flows: their own environment where they have one."""
        own = self._directory / "flows" / ".venv" / "bin" / "python"
        if own.exists():
            return str(own)
        return self._python or sys.executable

    @property
    def server_pid(self) -> int | None:
        return self._zygote.pid if self._zygote else None

    async def launch(self, name: str, fds: Sequence[int]) -> Process:
        """A fresh process that holds these descriptors. Raises LaunchError; then no code ran."""
        if self._zygote is None:
            raise LaunchError(self.problem or "the fork server is not there yet")
        return await self._zygote.launch(name, fds, {})

    def signal(self, name: str, number: int) -> None:
        """To all processes of this name; nothing happens if they have ended."""
        if self._zygote:
            self._zygote.signal(name, number)

    def renew(self) -> None:
        """Tell the processes that their leases hold."""
        if self._zygote:
            self._zygote.renew()

    async def run(self) -> None:
        wait = _FIRST_PAUSE
        while not self.stopping.is_set():
            try:
                zygote = await ZygoteClient.start(
                    self.python, environment(), self._directory, patience=self._patience
                )
            except EnsueError as error:
                self.problem = error.message
                log.warning("fork_server_failed", problem=error.message, again_in=wait)
                await self.pause(wait)
                wait = min(wait * 2, _LONGEST_PAUSE)
                continue
            wait = _FIRST_PAUSE
            self.problem, self._zygote = None, zygote
            self.up.set()
            self.on_up()
            await self._until_over(zygote)
            self.up.clear()
            self._zygote = None
            said = await zygote.stop()
            if not self.stopping.is_set():
                self.problem = f"the fork server died: {said}"
                log.error("fork_server_died", said=said)

    async def _until_over(self, zygote: ZygoteClient) -> None:
        while not (self.stopping.is_set() or zygote.dead.done()):
            zygote.dead.add_done_callback(lambda _: self.wake())
            await self.pause(3_600)


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """What flows inherit: the server's environment, without the way to the server's own code."""
    inherited = dict(os.environ if base is None else base)
    paths = inherited.pop("PYTHONPATH", "").split(os.pathsep)
    theirs = [p for p in paths if p and Path(p).resolve() != _FLOORS]
    if theirs:
        inherited["PYTHONPATH"] = os.pathsep.join(theirs)
    inherited.pop("ENSUE_FAILPOINT", None)
    return inherited

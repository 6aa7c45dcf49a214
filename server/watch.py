"""Watching folders of the project: something is done again whenever files in one change.

Changes are noticed by watching; every few seconds names, sizes and times are compared as well,
for what slipped through and for folders that were not there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from watchfiles import DefaultFilter, awatch

from base.errors import EnsueError
from base.logs import logger
from base.services import Service

_LOOK_EVERY: Final = 5.0
_QUIET_MS: Final = 150

log = logger("watch")

_Signature = tuple[tuple[str, int, int], ...]


class FolderWatch(Service):
    """Calls back after each change below a folder; never twice at a time."""

    def __init__(
        self, folder: Path, suffixes: frozenset[str], changed: Callable[[], Awaitable[object]]
    ) -> None:
        super().__init__(f"watch-{folder.name}")
        self._folder = folder
        self._suffixes = suffixes
        self._changed = changed
        self._seen: _Signature = ()

    async def open(self) -> None:
        self._seen = await asyncio.to_thread(self._signature)

    async def run(self) -> None:
        while not self.stopping.is_set():
            await self._something()
            signature = await asyncio.to_thread(self._signature)
            if signature == self._seen or self.stopping.is_set():
                continue
            self._seen = signature
            try:
                await self._changed()
            except EnsueError as error:
                self._seen = ()  # it is tried again at the next look
                log.warning("change_not_applied", folder=str(self._folder), problem=str(error))

    async def _something(self) -> None:
        """Return when something may have changed, or the service is to stop."""
        if not self._folder.is_dir():
            await self.pause(_LOOK_EVERY)
            return
        watching = awatch(
            self._folder,
            watch_filter=DefaultFilter(),
            debounce=_QUIET_MS,
            stop_event=self.stopping,
            rust_timeout=round(_LOOK_EVERY * 1_000),
            yield_on_timeout=True,
        )
        async for _ in watching:
            return

    def _signature(self) -> _Signature:
        found = []
        for path in self._folder.rglob("*"):
            if path.suffix in self._suffixes and not _hidden(path, self._folder):
                try:
                    stat = path.stat()
                except OSError:
                    continue  # it went while we looked, or leads nowhere
                found.append((str(path), stat.st_size, stat.st_mtime_ns))
        return tuple(sorted(found))


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)

"""The hooks as they are now: from the files of the project, exchanged when those change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from base.errors import NotFoundError, UnavailableError
from base.logs import logger
from events.webhooks.hook import Hook, Surroundings
from events.webhooks.source import Problem, Sources, load_sources

log = logger("hooks")


class HookGoneError(NotFoundError):
    """There was a hook of this name."""

    status = 410
    default_code = "hook_removed"


class Hooks:
    """Looks up hooks by name. One whose definition is broken keeps its last good form."""

    def __init__(self, directory: Path, around: Surroundings) -> None:
        self._directory = directory
        self._around = around
        self._removed: set[str] = set()
        self.hooks: Mapping[str, Hook] = {}
        self.problems: tuple[Problem, ...] = ()

    async def load(self) -> None:
        """Read the files again; what is in order takes effect at once."""
        self._apply(await asyncio.to_thread(load_sources, self._directory, around=self._around))

    def find(self, name: str) -> Hook:
        """Raises NotFoundError, HookGoneError, or UnavailableError while it is broken."""
        hook = self.hooks.get(name)
        if hook is not None:
            return hook
        if any(problem.hook == name for problem in self.problems):
            raise UnavailableError(
                "the definition of this hook has a mistake", code="hook_invalid", retry_after=60
            )
        if name in self._removed:
            raise HookGoneError("this hook was removed")
        raise NotFoundError(f"there is no hook {name[:100]!r}", code="hook_unknown")

    def _apply(self, sources: Sources) -> None:
        hooks = dict(sources.hooks)
        broken = {problem.hook for problem in sources.problems}
        unreadable = {problem.file for problem in sources.problems if problem.hook is None}
        for name, hook in self.hooks.items():
            if name in hooks:
                continue
            if name in broken or unreadable:
                hooks[name] = hook  # as it was, until the file can be read again
            else:
                self._removed.add(name)
        self._removed -= hooks.keys()
        self.hooks = hooks
        if sources.problems != self.problems:
            for problem in sources.problems:
                log.warning("source_invalid", problem=str(problem))
        self.problems = sources.problems

"""The rules of a project directory: applied at the start, and whenever a file changes.

What is in order comes into force; what is not is told once, with file, line and reason, while
its last good version goes on working. Changes are noticed by watching (inotify and its kin;
`WATCHFILES_FORCE_POLLING=1` makes it look instead, for filesystems that do not tell), and
every few seconds the files' sizes and times are compared as well, for what slipped through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

import orjson
from watchfiles import awatch

from automations.proposal import Outcome, Proposal
from automations.reader import SUFFIXES, Loaded, read_rules
from automations.rulebook import Rulebook
from automations.store import Brought
from base.errors import NotFoundError, UnavailableError
from base.logs import logger
from base.services import Service
from triggers.reading import Limits
from triggers.trigger_form import LIMITS

log = logger("directory")

ORIGIN = "directory"
FOLDER = "automations"
_QUIET_MS = 150
_NAMES_TOLD = 20

_Signature = tuple[tuple[str, int, int], ...]


class RuleDirectory(Service):
    """Keeps the rules in step with `<project>/automations/`. Ready when they are in force.

    `instance` names this copy of the directory among those that share the database.
    """

    def __init__(
        self,
        project: Path,
        book: Rulebook,
        *,
        instance: str,
        limits: Limits = LIMITS,
        look_every: timedelta = timedelta(seconds=2),
    ) -> None:
        super().__init__("directory")
        self._look_every = look_every
        self._project = project
        self._folder = project / FOLDER
        self._book = book
        self._instance = instance
        self._limits = limits
        self._seen: _Signature | None = None
        self._digest = ""
        self._told: set[str] = set()
        self.loaded = Loaded((), (), ())
        """What the files gave when they were last read."""

    async def open(self) -> None:
        await self.refresh()

    async def run(self) -> None:
        while not self.stopping.is_set():
            if self._folder.is_dir():
                await self._watch()
            else:
                await self.pause(self._look_every.total_seconds())
                await self._follow()

    async def refresh(self) -> Outcome | None:
        """Read the files if they changed, and apply them; None where there was nothing new."""
        signature = await asyncio.to_thread(_signature, self._folder)
        if signature == self._seen:
            return None
        loaded = await asyncio.to_thread(_read, self._project, self._folder, self._limits)
        self.loaded = loaded
        self._tell(loaded)
        outcome = None
        if (digest := _digest(loaded)) != self._digest:
            rules = [(found.rule, Brought(found.file, found.line)) for found in loaded.rules]
            proposal = Proposal(ORIGIN, rules, loaded.problems, prune=True)
            outcome = await self._book.apply(proposal, instance=self._instance, digest=digest)
            self._digest = digest
            _report(outcome)
        self._seen = signature
        return outcome

    async def _watch(self) -> None:
        """Follow what the folder says until it is gone, or the service is to stop."""
        changes = awatch(
            self._folder,
            debounce=_QUIET_MS,
            stop_event=self.stopping,
            rust_timeout=round(self._look_every.total_seconds() * 1_000),
            yield_on_timeout=True,
        )
        async for _ in changes:
            await self._follow()
            if not self._folder.is_dir():
                return

    async def _follow(self) -> None:
        try:
            await self.refresh()
        except UnavailableError as error:
            # Nothing is lost: the files are read again at the next look.
            self._seen = None
            log.warning("automations_not_applied", reason=str(error))

    def _tell(self, loaded: Loaded) -> None:
        """Log each problem once, for as long as it is there."""
        problems = {str(problem): problem for problem in loaded.problems}
        for text, problem in problems.items():
            if text not in self._told:
                log.warning("automation_invalid", automation=problem.automation, problem=text)
        self._told = set(problems)


def _signature(folder: Path) -> _Signature:
    """Which files there are, how long and how old."""
    found = []
    for path in folder.rglob("*"):
        if path.suffix in SUFFIXES:
            try:
                stat = path.stat()
            except OSError:
                continue  # it went while we looked, or leads nowhere
            found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))


def _read(project: Path, folder: Path, limits: Limits) -> Loaded:
    try:
        return read_rules(folder, relative_to=project, limits=limits)
    except NotFoundError:
        return Loaded((), (), ())


def _digest(loaded: Loaded) -> str:
    """Of what the files mean, so that what a newer version understands is news to it."""
    rules = [(found.rule.digest, found.rule.name, found.file, found.line) for found in loaded.rules]
    told = orjson.dumps([rules, [str(problem) for problem in loaded.problems]])
    return blake2b(told, digest_size=16).hexdigest()


def _report(outcome: Outcome) -> None:
    if outcome.skipped:
        log.info("automations_known")
    else:
        log.info(
            "automations_applied",
            created=_few(outcome.created),
            updated=_few(outcome.updated),
            deleted=_few(outcome.deleted),
            invalid=_few(outcome.invalid),
        )


def _few(names: Sequence[str]) -> list[str]:
    """As many names as a line of the log bears."""
    beyond = len(names) - _NAMES_TOLD
    return [*names] if beyond <= 0 else [*names[:_NAMES_TOLD], f"and {beyond} more"]

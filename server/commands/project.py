"""What `lint` and `test` are pointed at: a project directory, or rules alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automations.channel_lint import channel_findings
from automations.finding import Finding
from automations.lint import FlowShape
from automations.reader import Loaded, Problem, read_rules
from base.settings import FILE, load
from engine.discovery import DiscoveryError, discover
from engine.launcher import ProcessLauncher
from events.webhooks.source import load_sources
from server.flow_shape import shape
from server.remembering import limits
from triggers.trigger_form import LIMITS


@dataclass(frozen=True, slots=True)
class Project:
    """`rules` is what to read; `root` the project directory it belongs to, where there is one."""

    rules: Path
    root: Path | None

    @classmethod
    def at(cls, path: Path) -> Project:
        """The project at this path, or around it."""
        if (path / FILE).is_file() or (path / "automations").is_dir():
            return cls(path / "automations", path)
        around = path.resolve()
        for folder in (around, *around.parents):
            if folder.name == "automations" and (folder.parent / FILE).is_file():
                return cls(path, folder.parent)
        return cls(path, None)

    def read(self) -> Loaded:
        """Raises NotFoundError where there is nothing; a project may have no rules yet."""
        if self.root and not self.rules.exists():
            return Loaded((), (), ())
        return read_rules(self.rules, limits=limits(load(self.root)) if self.root else LIMITS)

    def variables(self) -> Mapping[str, Any]:
        """`vars` of the settings."""
        return load(self.root).vars if self.root else {}

    def channel_findings(self, loaded: Loaded) -> list[Finding]:
        """What is wrong with the channels that rules name; without a project nobody knows them."""
        if self.root is None:
            return []
        return list(channel_findings(loaded, load(self.root).channels))

    def source_problems(self) -> list[Problem]:
        """What is wrong with the sources, where the whole project is looked at."""
        if self.root is None or self.rules != self.root / "automations":
            return []
        return [
            Problem(p.file, p.line, p.column, p.code, p.message, p.hint)
            for p in load_sources(self.root / "sources").problems
        ]

    def flows(self) -> tuple[dict[str, FlowShape] | None, list[Problem]]:
        """The flows of the project by name, and what is wrong with their files.

        None where they cannot be known: no project, or its interpreter cannot be asked.
        """
        if self.root is None:
            return None, []
        root = self.root.resolve()
        python = ProcessLauncher(root, python=load(root).flows.python, patience=None).python
        try:
            found = asyncio.run(discover(root, python))
        except DiscoveryError as error:
            return None, [Problem(str(self.root / "flows"), 1, 1, error.code, error.message)]
        problems = [
            Problem(str(self.root / one.file), max(one.line, 1), 1, "flow_broken", one.message)
            for one in found.problems
        ]
        shapes = {name: shape(flow.signature.schema) for name, flow in found.flows.items()}
        return shapes, problems

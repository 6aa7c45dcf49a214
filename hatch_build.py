"""How the server's wheel is laid out.

The floors go under `ensue_server/_floors`, so that names like `events` never land in
site-packages, where a module of another package could meet them. An editable install
lays out nothing: there `ensue_server.entry` finds them in the checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLOORS = ("base", "events", "triggers", "automations", "engine", "server")
NOT_PART_OF_A_FLOOR = {"bootstrap", "__pycache__"}


class Floors(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is the builder's own
    """Adds every floor, file by file, to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        for floor in FLOORS:
            for part in sorted((root / floor).iterdir()):
                if part.name not in NOT_PART_OF_A_FLOOR:
                    target = f"ensue_server/_floors/{floor}/{part.name}"
                    build_data["force_include"][str(part)] = target

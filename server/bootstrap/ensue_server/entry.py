"""How the `ensue` command finds the server's commands.

The floors of the server have plain names (`events`, `base`). Installed, they lie in
`_floors` beside this file, in a checkout at its root; only a process that asks for a
command of the server gets them on its path, and nobody else ever meets them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

PATH: Final[Path] = next(
    place
    for place in (Path(__file__).parent / "_floors", Path(__file__).parents[3])
    if (place / "base").is_dir()
)
"""The directory that holds the floors."""


def commands() -> Mapping[str, tuple[str, str]]:
    """The server's commands: name → (`module:attribute` of the click command, its short help).

    Nothing is imported for the list: `ensue --help` stays fast.
    """
    return _COMMANDS


def enter() -> None:
    """Put the floors on the path, before everything that is installed."""
    if str(PATH) not in sys.path:
        sys.path.insert(0, str(PATH))


def server_version() -> str:
    return version("ensue-server")


_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "init": ("server.commands.init:command", "Make a project directory that works at once."),
    "serve": ("server.commands.serve:command", "Serve a project directory."),
    "lint": ("server.commands.lint:command", "Check rules and sources without a server."),
    "test": ("server.commands.test:command", "Run the tests beside the rules."),
    "schema": ("server.commands.schema:command", "Print the JSON Schema of rules, for editors."),
    "db": ("server.commands.db:command", "Upgrade, back up or check the database."),
    "doctor": ("server.commands.doctor:command", "Look for what is wrong with an installation."),
}

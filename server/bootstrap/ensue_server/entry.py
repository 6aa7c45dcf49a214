"""How the `ensue` command finds the server's commands.

The floors of the server have plain names (`events`, `base`). Installed, they lie in
`_floors` beside this file, in a checkout at its root; only a process that asks for a
command of the server gets them on its path, and nobody else ever meets them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import click

PATH: Final[Path] = next(
    place
    for place in (Path(__file__).parent / "_floors", Path(__file__).parents[3])
    if (place / "base").is_dir()
)
"""The directory that holds the floors."""


def commands() -> Mapping[str, tuple[Callable[[], click.Command], str]]:
    """The server's commands by name: what loads one, and its help in a few words.

    Each is `command` in the module of its name in `server.commands` (`import_` for `import`,
    which Python keeps for itself); none is imported for the list, so that `ensue --help`
    stays fast.
    """
    return {
        name: (partial(_load, _MODULES.get(name, name)), words) for name, words in _COMMANDS.items()
    }


def enter() -> None:
    """Put the floors on the path, before everything that is installed."""
    if str(PATH) not in sys.path:
        sys.path.insert(0, str(PATH))


def _load(name: str) -> click.Command:
    enter()
    return cast("click.Command", import_module(f"server.commands.{name}").command)


_COMMANDS: Final = {
    "init": "Make a project directory that works at once.",
    "serve": "Serve a project directory.",
    "lint": "Check rules and sources.",
    "test": "Run the tests that stand beside the rules.",
    "import": "Rules of Prefect or EventBridge, as rules of ours.",
    "schema": "Print the JSON Schema of rules, for editors.",
    "db": "The database: upgrade, back up.",
    "doctor": "Look for what is wrong with an installation.",
}
_MODULES: Final = {"import": "import_"}

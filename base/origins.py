"""Where a setting was said: the flag, the variable, or the line of the file.

`tomllib` tells no positions of what it read, so a line is looked up in the text, once
something is wrong with it.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from base.errors import ConfigurationError


class Origins:
    """Where the value at a path came from, in words."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.named: dict[tuple[str, ...], str] = {}

    def of(self, path: tuple[str, ...]) -> str:
        for end in range(len(path), 0, -1):
            if path[:end] in self.named:
                return self.named[path[:end]]
        line = _line_of(self.file, path)
        return f"{self.file}:{line}" if line else str(self.file)


def read_toml(file: Path) -> dict[str, Any]:
    """What a file says; nothing where there is none. Raises ConfigurationError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        place = f"{file}:{found[1]}:{found[2]}" if found else str(file)
        message = re.sub(r"\s*\(at .*\)", "", str(error))
        raise ConfigurationError(message, code="settings_unreadable", place=place) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"cannot be read: {error}", code="settings_unreadable", place=str(file)
        ) from None


def _line_of(file: Path, path: tuple[str, ...]) -> int | None:
    """The line of a TOML file on which a setting stands, as far as plain reading finds it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[+([^\]#]+)\]", line):
            table = _dotted(header[1])
            here = table
        elif key := re.match(r"\s*([^=#]+?)\s*=", line):
            here = table + _dotted(key[1])
        else:
            continue
        if path[: len(here)] == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))

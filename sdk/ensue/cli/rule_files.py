"""Rules in files, as they are sent to a server: their text, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ensue.cli.client import CommandError

SUFFIXES: Final = frozenset((".yaml", ".yml"))
FOLDER: Final = "automations"
_SETTINGS: Final = "ensue.toml"
MAX_BYTES: Final = 1 << 20
"""Of one file."""


def read_files(path: Path) -> dict[str, str]:
    """The rules of a project directory, of a folder with everything below it, or of one file.

    Names are as they were typed, so that what is said of a line can be found. Raises
    CommandError where there is nothing, or something that is not text.
    """
    if not path.exists():
        raise CommandError(f"there is nothing at {path}")
    found = {str(file): _text(file) for file in _files(path)}
    if not found:
        raise CommandError(
            f"there are no rules in {path}", hint=f"rules are files that end in {_suffixes()}"
        )
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    if (path / _SETTINGS).is_file() or (path / FOLDER).is_dir():
        path /= FOLDER
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.suffix in SUFFIXES and not hidden and file.is_file():
            yield file


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CommandError(f"{file} is larger than {MAX_BYTES >> 20} MiB")
        return content.decode()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8 text") from None


def _suffixes() -> str:
    return " or ".join(sorted(SUFFIXES))

"""A secret is named, never written down: `{env: NAME}` or `{file: PATH}`.

What is kept, compared, shown and stored is the reference. The secret itself is read at the
moment it is used, so that it can be rotated without a restart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from base.errors import ConfigurationError

MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is to be found."""

    kind: Literal["env", "file"]
    name: str

    @classmethod
    def parse(cls, form: Any, place: str) -> SecretRef:
        """Raises ConfigurationError `secret_invalid`; the message never repeats the value."""
        if isinstance(form, dict) and len(form) == 1:
            kind, name = next(iter(form.items()))
            if kind in {"env", "file"} and isinstance(name, str) and name.strip():
                return cls("env" if kind == "env" else "file", name)
        raise ConfigurationError(
            "a secret is named and not written down",
            code="secret_invalid",
            place=place,
            hint="{env: NAME} or {file: /path}",
        )

    def to_json(self) -> dict[str, str]:
        return {self.kind: self.name}

    def reveal(self, environ: Mapping[str, str] = os.environ) -> str:
        """The secret, without the line end a file may have.

        Blocks for a file. Raises ConfigurationError `secret_missing` naming the reference.
        """
        is_variable = self.kind == "env"
        found = environ.get(self.name, "") if is_variable else self._from_file()
        if not found:
            what = "the variable" if is_variable else "the file"
            raise ConfigurationError(
                f"{what} {self.name}, which should hold a secret, is missing or empty",
                code="secret_missing",
            )
        return found

    def _from_file(self) -> str:
        try:
            with Path(self.name).open("rb") as file:
                return file.read(MAX_BYTES).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return ""

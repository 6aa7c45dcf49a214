r"""The `wildcard` of the pattern language: `*` is any text; `\*` and `\\` are themselves."""

from __future__ import annotations

from triggers.shape import Shape


def parse_wildcard(text: str) -> Shape:
    """Raises ValueError for two `*` in a row and for a backslash before anything else."""
    runs, run = [], ""
    characters = iter(enumerate(text))
    for at, character in characters:
        if character == "\\":
            _, escaped = next(characters, (at, ""))
            if escaped not in ("*", "\\"):
                raise ValueError(rf"a backslash at {at} that stands before neither `*` nor `\`")
            run += escaped
        elif character == "*":
            if text[at + 1 : at + 2] == "*":
                raise ValueError(f"two `*` in a row at {at}")
            runs.append(run)
            run = ""
        else:
            run += character
    return Shape(tuple((run,) for run in [*runs, run]))

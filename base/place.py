"""Where in a JSON value something is, as people write it: `actions[0].with.order`."""

from __future__ import annotations

Path = tuple[str | int, ...]


def within(place: str, part: str | int) -> str:
    """The place of a member: `a` and `b` give `a.b`, `a` and 0 give `a[0]`."""
    if isinstance(part, int):
        return f"{place}[{part}]"
    return f"{place}.{part}" if place else part


def spelled(path: Path) -> str:
    place = ""
    for part in path:
        place = within(place, part)
    return place

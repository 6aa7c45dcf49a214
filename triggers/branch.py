"""A pattern written out: what must hold together, with no `$or` left in it."""

from __future__ import annotations

from triggers.condition import Condition

Path = tuple[str, ...]
"""The segments of a field's name, from the root of the event."""

Group = tuple[Condition, ...]
"""Conditions of which one must hold for a value."""

Branch = tuple[tuple[Path, tuple[Group, ...]], ...]
"""Each path once, with groups that must all hold for one and the same value of it."""

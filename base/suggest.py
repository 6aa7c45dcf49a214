"""Did you mean …? The nearest known word to one that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable


def edits(one: str, other: str) -> int:
    """How many letters must be added, dropped, changed or swapped with their neighbour.

    The optimal string alignment distance, so `tpye` is one edit from `type`.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be; None if nothing is near.

    Near is one edit for every three letters, and at least one; case is no edit.
    """
    reach = max(1, len(word) // 3)
    low = word.lower()
    best: tuple[int, str] | None = None
    for candidate in known:
        if abs(len(candidate) - len(word)) > reach:
            continue
        found = (edits(low, candidate.lower()), candidate)
        if found[0] <= reach and (best is None or found < best):
            best = found
    return best[1] if best else None


def hint(word: str, known: Iterable[str]) -> str | None:
    """`did you mean `type`?`, or None."""
    word_meant = nearest(word, known)
    return f"did you mean `{word_meant}`?" if word_meant else None


_SPELLED = re.compile(r"(\d+) ?(seconds?|sec|minutes?|min|hours?|hrs?|days?|weeks?)", re.IGNORECASE)
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d):(\d\d)")


def duration_meant(value: object) -> str | None:
    """`write 5m`, for a duration as others spell it: `5 minutes`, `PT5M`, `00:05:00`."""
    text = str(value).strip()
    if found := _SPELLED.fullmatch(text):
        return f"write {int(found[1])}{found[2][0].lower()}"
    if found := _ISO.fullmatch(text) or _CLOCK.fullmatch(text):
        groups = found.groups()
        units = zip(groups, "dhms"[-len(groups) :], strict=True)
        spelled = "".join(f"{int(number)}{unit}" for number, unit in units if int(number or 0))
        return f"write {spelled}" if spelled else None
    return "such as 10m" if text.startswith("-") else None

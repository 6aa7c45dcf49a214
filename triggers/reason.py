"""Why an event was not selected: the things asked of it that it does not meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triggers.branch import Branch, Group, Path
from triggers.condition import Exists
from triggers.glob import OWN
from triggers.matching import MISSING, NO, Judge, compile_branch, instances
from triggers.selector import Selector

SAME_ELEMENT = "no one element of the list meets all of them"
OWN_EVENTS = "the service's own events are reached only by a type that begins with `ensue.`"


@dataclass(frozen=True, slots=True)
class Reason:
    """What was wanted of a field, and what it was; both are JSON.

    `actual` is None where the field is missing, and a list where it has several values.
    """

    path: str
    wanted: Any
    actual: Any
    missing: bool = False
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        form = {"path": self.path, "wanted": self.wanted, "actual": self.actual}
        if self.missing:
            form["missing"] = True
        return form | ({"note": self.note} if self.note else {})


def explain(selector: Selector, root: Mapping[str, Any]) -> Reason | None:
    """The first failing condition, or None for an event that is selected (`where` aside)."""
    return next(iter(reasons(selector, root)), None)


def reasons(selector: Selector, root: Mapping[str, Any]) -> tuple[Reason, ...]:
    """All failing conditions; none for an event that is selected (`where` aside).

    For an event of a type that is not listened to it is the type alone. Of alternatives (`$or`),
    the one that the event came closest to is explained.
    """
    if not selector.reaches(root["type"]):
        own = root["type"].startswith(OWN)
        wanted = [glob.text for glob in selector.types]
        return (Reason("type", wanted, root["type"], note=OWN_EVENTS if own else None),)
    failing = []
    for branch in selector.branches:
        # The whole first: beside others a field may be missing in the one element that counts.
        if _judge(branch)(root) != NO:
            return ()
        failing.append((branch, _failing(branch, root)))
    branch, leaves = min(failing, key=lambda tried: len(tried[1]))
    if not leaves:
        return (_joint_reason(branch, root),)
    return tuple(_leaf_reason(*leaf, root) for leaf in leaves)


def _failing(branch: Branch, root: Mapping[str, Any]) -> list[tuple[Path, tuple[Group, ...]]]:
    """The fields that do not even meet their conditions by themselves."""
    return [leaf for leaf in branch if _judge((leaf,))(root) == NO]


def _judge(branch: Branch) -> Judge:
    """Compiled when it is asked for: most conditions are never explained, some often.

    Kept by identity, with what it stands for, so that the identity is not given to another:
    conditions on 1 and on true are equal to Python and not to a pattern.
    """
    key = tuple(map(id, branch))
    held = _judges.get(key)
    if held is None:
        if len(_judges) >= _MOST_JUDGES:
            _judges.clear()
        held = _judges[key] = (branch, compile_branch(branch))
    return held[1]


_MOST_JUDGES = 10_000
_judges: dict[tuple[int, ...], tuple[Branch, Judge]] = {}


def _leaf_reason(path: Path, groups: tuple[Group, ...], root: Mapping[str, Any]) -> Reason:
    group = groups[0]
    if len(groups) > 1:
        failing = (one for one in groups if compile_branch(((path, (one,)),))(root) == NO)
        group = next(failing, group)
    values = list(instances(root, path))
    actual = _actual(values)
    missing = not values and Exists(wanted=False) not in group
    return Reason(".".join(path), _wanted(group), actual, missing=missing)


def _joint_reason(branch: Branch, root: Mapping[str, Any]) -> Reason:
    """Each field is met by some element of a list, but not all by the same one."""
    path = _first_list(branch, root)
    below = [(full, groups) for full, groups in branch if full[: len(path)] == path]
    wanted = {
        ".".join(full): [_wanted(group) for group in groups][0 if len(groups) == 1 else slice(None)]
        for full, groups in below
    }
    actual = {".".join(full): _actual(list(instances(root, full))) for full, _ in below}
    return Reason(".".join(path), wanted, actual, note=SAME_ELEMENT)


def _first_list(branch: Branch, root: Mapping[str, Any]) -> Path:
    """The outermost list on the way to a field that shares it with another."""
    for path, _ in branch:
        value: Any = root
        for at, name in enumerate(path):
            value = value.get(name, MISSING) if isinstance(value, dict) else MISSING
            if isinstance(value, list) and any(
                other != path and other[: at + 1] == path[: at + 1] for other, _ in branch
            ):
                return path[: at + 1]
    return ()


def _wanted(group: Group) -> list[Any]:
    return [condition.as_json() for condition in group]


def _actual(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values or None

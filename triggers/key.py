"""Keys: what `per` tells apart.

    per: subject
    per: [data.region, data.host]

A key is the values of these paths in an event's root, as canonical JSON text: `1` and `1.0`
are one key, `"1"` is another. Null, lists and maps count as missing, and a path does not
look into lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from base.errors import ConfigurationError
from base.fields import described
from base.place import within
from events.attribute_names import check_attributes

NO_KEY: Final = ""
"""The key of a trigger without `per`."""

LONGEST: Final = 1_024
"""Bytes of a key; it is part of a primary key."""

MOST_PATHS: Final = 8


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Missing:
    """An event without a key, which does not count: `code`, and why for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Key:
    """The paths that `per` names; none where there is no `per`."""

    paths: tuple[str, ...] = ()

    @classmethod
    def parse(cls, form: Any, place: str = "per") -> Key:
        """Raises ConfigurationError (`trigger_invalid`)."""
        items = form if isinstance(form, list) else [form]
        if not items or len(items) > MOST_PATHS:
            raise _wrong(f"`per` names one to {MOST_PATHS} paths, not {len(items)}", place)
        paths = []
        for number, item in enumerate(items):
            here = within(place, number) if isinstance(form, list) else place
            paths.append(_path(item, here))
            if paths[-1] in paths[:-1]:
                raise _wrong(f"`{item}` is named twice", here)
        return cls(tuple(paths))

    def of(self, root: Mapping[str, Any]) -> str | Missing:
        """The key of an event, given its root."""
        if not self.paths:
            return NO_KEY
        values = []
        for path in self.paths:
            value = _found(root, path)
            if value is None or isinstance(value, dict | list):
                what = "nothing" if value is None else described(value)
                return Missing("key_missing", f"`{path}` is {what}")
            values.append(_whole(value))
        text = _encode(values if len(values) > 1 else values[0])
        if len(text) * 4 > LONGEST and len(text.encode()) > LONGEST:
            return Missing("key_too_long", f"a key has at most {LONGEST:,} bytes")
        return text

    def normalised(self) -> list[str]:
        return list(self.paths)


def canonical(value: Any) -> str:
    """The text of a scalar, or of a list of them: equal for what is the same key."""
    whole = [_whole(item) for item in value] if isinstance(value, list) else _whole(value)
    return _encode(whole)


def key_value(text: str) -> Any:
    """What people see of a key: a scalar, a list for several paths, None without `per`."""
    return json.loads(text) if text else None


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value


def _found(root: Any, path: str) -> Any:
    here = root
    for name in path.split("."):
        if not isinstance(here, dict):
            return None
        here = here.get(name)
    return here


def _path(item: Any, place: str) -> str:
    if not isinstance(item, str) or not all(item.split(".")):
        raise _wrong(f"`per` is a path such as `data.order.id`, not {described(item)}", place)
    head = item.split(".", 1)[0]
    if not head.isalnum():
        raise _wrong(f"no event has an attribute `{head}`", place)
    try:
        check_attributes(f"event.{head}", place)
    except ConfigurationError as error:
        error.message = error.message.split("\n", 1)[0]  # without the caret of an expression
        error.hint = error.hint and error.hint.split("? ", 1)[0].rstrip("?") + "?"
        raise
    if head == "event" and head != item:
        path = item.removeprefix("event.")
        raise _wrong(f"`per` begins at the event, without its name: {path}", place)
    if head not in {"data", item}:
        raise _wrong(f"`{head}` is no map: nothing lies below it", place)
    return item


def _wrong(message: str, place: str) -> ConfigurationError:
    return ConfigurationError(message, code="trigger_invalid", place=place)

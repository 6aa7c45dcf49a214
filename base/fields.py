"""Reading a form: a mapping out of YAML or JSON, field by field.

All complaints are kept, each with its place, so that an author sees every mistake of a
file at once and not the first. What is complained about reads as if it were not there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from base.errors import ConfigurationError
from base.place import within
from base.suggest import duration_meant
from base.suggest import hint as nearest_hint
from base.time import Micros, parse_duration

_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong. `at_key` says that the field's name is, not its value."""

    place: str
    message: str
    code: str
    hint: str | None = None
    at_key: bool = False

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


class FormError(ConfigurationError):
    """A form that cannot be taken; as an error it is its first complaint."""

    def __init__(self, complaints: Collection[Complaint]) -> None:
        first = next(iter(complaints))
        super().__init__(first.message, code=first.code, place=first.place, hint=first.hint)
        self.complaints = tuple(complaints)


class Complaints:
    """What is wrong so far."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.found: list[Complaint] = []

    def add(
        self,
        place: str,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        at_key: bool = False,
    ) -> None:
        self.found.append(Complaint(place, message, code or self._code, hint, at_key))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps the ConfigurationError that the block raises."""
        try:
            yield
        except FormError as error:
            self.found.extend(error.complaints)
        except ConfigurationError as error:
            self.add(error.place or "", error.message, code=error.code, hint=error.hint)

    def raise_any(self) -> None:
        if self.found:
            raise FormError(self.found)


class Fields:
    """The fields of one mapping. A field that is null counts as not given."""

    def __init__(
        self,
        form: Mapping[str, Any],
        place: str,
        complaints: Complaints,
        known: Collection[str],
        foreign: Mapping[str, str] = _NOTHING,
    ) -> None:
        """`foreign` are words of other tools, each with what to write instead."""
        self._form = form
        self._place = place
        self._complaints = complaints
        for name in form:
            if name not in known:
                complaints.add(
                    self.at(name),
                    f"there is no field `{name}` here",
                    code="field_unknown",
                    hint=foreign.get(name)
                    or nearest_hint(name, known)
                    or f"there are {', '.join(sorted(known))}",
                    at_key=True,
                )

    def at(self, name: str) -> str:
        return within(self._place, name)

    def has(self, name: str) -> bool:
        return self._form.get(name) is not None

    def raw(self, name: str) -> Any:
        return self._form.get(name)

    def complain(self, name: str, message: str, hint: str | None = None) -> None:
        self._complaints.add(self.at(name), message, hint=hint)

    def text(
        self,
        name: str,
        default: str = "",
        *,
        required: bool = False,
        blank: bool = False,
        at_most: int = 10_000,
    ) -> str:
        value = self._form.get(name)
        if value is None:
            if required:
                self._complaints.add(self._place, f"`{name}` is missing", code="field_missing")
            return default
        if not isinstance(value, str) or not (blank or value.strip()):
            self.complain(name, f"must be text, not {described(value)}", _quoted(value))
            return default
        if len(value) > at_most:
            self.complain(name, f"has at most {at_most:,} characters, not {len(value):,}")
            return default
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; a single text stands for a list of one."""
        value = self._form.get(name)
        if value is None:
            return ()
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            self.complain(name, f"must be a list of texts, not {described(value)}")
            return ()
        for number, item in enumerate(items):
            if not isinstance(item, str) or not item.strip():
                self._complaints.add(
                    within(self.at(name), number),
                    f"must be text, not {described(item)}",
                    hint=_quoted(item),
                )
                return ()
        return tuple(items)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._form.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.complain(name, f"must be true or false, not {described(value)}")
            return default
        return value

    def integer(self, name: str, default: int, *, at_least: int, at_most: int = 2**31) -> int:
        value = self._form.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.complain(name, f"must be a whole number, not {described(value)}")
            return default
        if not at_least <= value <= at_most:
            bound = f"at least {at_least}" if value < at_least else f"at most {at_most:,}"
            self.complain(name, f"must be {bound}, not {value}")
            return default
        return value

    def duration(
        self, name: str, default: Micros, *, at_least: Micros = 0, at_most: Micros | None = None
    ) -> Micros:
        value = self._form.get(name)
        if value is None:
            return default
        if not isinstance(value, str | int | float):
            self.complain(name, f"must be a duration such as 10m, not {described(value)}")
            return default
        try:
            span = parse_duration(value)
        except ValueError as error:
            self.complain(name, str(error), duration_meant(value))
            return default
        if span < at_least or (at_most is not None and span > at_most):
            self.complain(name, f"{value} is too {'short' if span < at_least else 'long'}")
            return default
        return span

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._form.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.complain(name, f"must be a map of fields, not {described(value)}")
            return {}
        return value


def described(value: Any) -> str:
    """A JSON value for a message: `a list`, `5`, `"ten"`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value[:40]}{"…" if value[40:] else ""}"'
        case list():
            return "a list"
        case dict():
            return "a map"
        case _:
            return str(value)


def _quoted(value: Any) -> str | None:
    if isinstance(value, bool | int | float):
        return f'quote it: "{described(value)}"'
    return None

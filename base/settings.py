"""Settings: read once, checked once, and handed on as typed values.

A setting is looked for, in this order, in the flags of the command line, in `ENSUE_*`
variables, in `DIR/ensue.toml`, and then it has a default. A name in a table of the file is
a variable with the table in front: `[retention] events = "7d"` is `ENSUE_RETENTION_EVENTS`.

What is wrong is told with the variable, the flag, or the file and line it came from, and
with what to do about it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from base.channel import Channel, parse_channels
from base.errors import ConfigurationError
from base.origins import Origins, read_toml
from base.suggest import edits, hint
from base.time import parse_duration

FILE: Final = "ensue.toml"
PREFIX: Final = "ENSUE_"

_OTHERS: Final = frozenset({"ENSUE_API_URL", "ENSUE_API_KEY", "ENSUE_DEBUG"})
"""Variables of the client's side, which are no settings of the server."""

_OPEN: Final = frozenset({"vars", "channels"})
"""Tables whose names are the user's, in the file alone."""

_SLIP: Final = 2
"""The edits by which a variable may differ from one of ours and still be taken for it."""

_SIZE: Final = re.compile(r"(\d+)\s*(|B|KiB|MiB|GiB|kB|MB|GB)", re.IGNORECASE)
_SIZE_UNITS: Final = {
    "": 1, "b": 1,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    "kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000,
}  # fmt: skip


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)  # what a variable can only say in text
    if not isinstance(value, str | int | float):
        raise ValueError("a duration such as 30d, 10m or 500ms is wanted")  # noqa: TRY004 - pydantic collects ValueErrors
    return timedelta(microseconds=parse_duration(value))


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError("a size in bytes, or one such as 512KiB or 1MiB, is wanted")
    return int(match[1]) * _SIZE_UNITS[match[2].lower()]


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"{value!r} is not an address or a network such as 10.0.0.0/8") from None


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Span = Annotated[Duration, AfterValidator(_positive)]
Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Group):
    event_size: Size = 1 << 20
    """The largest event taken from outside, in bytes as sent and as unpacked."""
    batch_events: Count = 1_000
    """The most events in one request."""
    intake_bytes: Size = 32 << 20
    """What may wait for the journal before the intake answers 503."""
    page: Count = 1_000
    """The most items one page of a list may have."""


class Retention(_Group):
    """How long things are kept after they ended. An active run is never removed."""

    events: Span = timedelta(days=30)
    runs: Span = timedelta(days=30)
    logs: Span = timedelta(days=14)
    deliveries: Span = timedelta(days=7)
    firings: Span = timedelta(days=30)
    """Firings, and what their actions came to."""


class Events(_Group):
    dedupe_for: Span = timedelta(days=30)
    """How long `(source, id)` is remembered, whatever the retention."""
    replay_window: Duration = timedelta(minutes=10)
    """Within it the same webhook body is a duplicate where a scheme signs no delivery id."""


class Rules(_Group):
    allowed_lateness: Duration = timedelta(minutes=1)
    """How far behind the newest event of its key an event still counts in a window."""
    max_depth: Annotated[int, Field(ge=1, le=1_000)] = 16
    """The depth from which an event sets nothing off."""
    breaker: Count = 1_000
    """The firings a minute after which an automation is paused."""


class Calls(_Group):
    allow_private_targets: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed)
    ] = ()
    """Hosts, addresses and networks that are not public and may be called all the same."""


class Runs(_Group):
    pool: Annotated[str, Field(min_length=1, max_length=100)] = "default"
    """The pool a run belongs to, and the one served by the embedded worker."""
    concurrency: Count = Field(default_factory=lambda: max(8, 4 * (os.cpu_count() or 1)))
    """The runs one worker has at a time."""
    lease: Span = timedelta(seconds=30)
    """How long a run belongs to its worker without a heartbeat."""
    heartbeat: Span = timedelta(seconds=10)


class Flows(_Group):
    python: str | None = None
    """The interpreter of flows; default `flows/.venv` where there is one, else the server's."""


class Log(_Group):
    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Group):
    """Everything that can be set, checked."""

    directory: Path
    """The project directory, absolute."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 3678
    """0 takes a free one."""
    database: str = ""
    """`postgresql://...`, or the path of a SQLite file (default `DIR/.ensue/ensue.db`)."""
    insecure: bool = False
    """Serve on an address others can reach, although there are no keys."""
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_listed)
    ] = ()
    """Networks whose X-Forwarded-For is believed."""
    hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """Names besides the loopback's under which clients reach the server, through a proxy."""
    reader: bool = True
    """Read events in a second process while many come in and a core is left for it."""
    shutdown: Span = timedelta(seconds=20)
    """How long a stop may drain."""
    limits: Limits = Limits()
    retention: Retention = Retention()
    events: Events = Events()
    rules: Rules = Rules()
    calls: Calls = Calls()
    runs: Runs = Field(default_factory=Runs)
    flows: Flows = Flows()
    log: Log = Log()
    vars: dict[str, Any] = Field(default_factory=dict)
    """What rules see as `vars`; any TOML."""
    channels: Annotated[dict[str, Channel], BeforeValidator(parse_channels)] = Field(
        default_factory=dict
    )
    """Where `notify` sends: tables with a `url`, or several `urls`, of Apprise."""

    @property
    def state_directory(self) -> Path:
        """Where the service keeps what is its own."""
        return self.directory / ".ensue"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def load(
    directory: Path,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of a project directory.

    `flags` are given by dotted path (`{"port": 0, "retention.events": "7d"}`); None means
    that a flag was not given. Raises ConfigurationError.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise ConfigurationError(
            f"{directory} is not a directory",
            code="directory_missing",
            hint="`ensue init` makes a project directory",
        )
    origins = Origins(directory / FILE)
    values = read_toml(origins.file)
    _refuse_unknown(values, origins)
    for path, text in _variables(os.environ if environ is None else environ, origins):
        _put(values, path, text)
    for name, value in (flags or {}).items():
        if value is not None:
            path = tuple(name.split("."))
            _put(values, path, value)
            origins.named[path] = "--" + path[-1].replace("_", "-")
    return _checked(directory, values, origins)


def _checked(directory: Path, values: dict[str, Any], origins: Origins) -> Settings:
    try:
        settings = Settings(**{**values, "directory": directory})
    except ConfigurationError as error:
        # Of what may hold a secret; it names its place, and repeats no value.
        error.place = origins.of(tuple((error.place or "").split(".", 1)))
        raise
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(
            f"{'.'.join(path)}: {message[:1].lower()}{message[1:]} (got {first['input']!r})",
            code="setting_invalid",
            place=origins.of(path),
            hint="correct it, or take it out to get the default",
        ) from None
    if settings.runs.heartbeat * 2 > settings.runs.lease:
        raise ConfigurationError(
            "runs.heartbeat: a lease must last at least two heartbeats",
            code="setting_invalid",
            place=origins.of(("runs", "heartbeat")),
            hint="make runs.lease longer or runs.heartbeat shorter",
        )
    if not settings.loopback and not settings.insecure:
        raise ConfigurationError(
            f"{settings.host} can be reached by others, and nothing would ask them for a key",
            code="address_insecure",
            place=origins.of(("host",)),
            hint="serve on 127.0.0.1 behind a proxy that authenticates, or say --insecure",
        )
    if not settings.database:
        where = str(directory / ".ensue" / "ensue.db")
        settings = settings.model_copy(update={"database": where})
    return settings


def _refuse_unknown(values: Mapping[str, Any], origins: Origins) -> None:
    known = set(_known())
    for path in _paths(values):
        if path in known or any(other[: len(path)] == path for other in known):
            continue
        if path[0] in _OPEN:
            continue
        siblings = sorted({o[len(path) - 1] for o in known if o[: len(path) - 1] == path[:-1]})
        if not siblings:
            continue  # what is wrong is the value above it, and pydantic says so
        raise ConfigurationError(
            f"{'.'.join(path)} is not a setting",
            code="setting_unknown",
            place=origins.of(path),
            hint=hint(path[-1], siblings) or f"there are {', '.join(siblings)}",
        )


def _paths(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))


def _known(
    model: type[BaseModel] | None = None, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The paths of all settings; of a table, those of its members."""
    for name, field in (model or Settings).model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _known(kind, (*above, name))
        elif (*above, name) != ("directory",):
            yield (*above, name)


def _variables(
    environ: Mapping[str, str], origins: Origins
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What the environment sets. A name that is nearly one of ours is a slip, and refused.

    Other `ENSUE_*` names are left alone: they may be a secret that a rule reads.
    """
    known = {PREFIX + "_".join(path).upper(): path for path in _known() if path[0] not in _OPEN}
    for name, text in environ.items():
        if name in known:
            origins.named[known[name]] = name
            yield known[name], text
        elif name.startswith(PREFIX) and name not in _OTHERS:
            near = next((other for other in known if edits(name, other) <= _SLIP), None)
            if near:
                raise ConfigurationError(
                    "is not a setting",
                    code="setting_unknown",
                    place=name,
                    hint=f"did you mean `{near}`?",
                )


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        inner = values.get(name)
        values[name] = values = dict(inner) if isinstance(inner, dict) else {}
    values[path[-1]] = value

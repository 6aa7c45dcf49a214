"""`ensue automations windows`: what rules that remember hold at the moment, and wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ensue.cli.client import Client, segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, brief, styled
from ensue.cli.paging import paged
from ensue.cli.words import coarse, parse_time, relative

_EVERY: Final = 1.0
"""Seconds between two looks of --watch."""

Window = dict[str, Any]


@client_command("windows")
@click.argument("name", required=False)
@click.option("--key", help='Only of this key: text, or JSON such as 5 or \'["eu","db-1"]\'.')
@click.option("--all", "all_", is_flag=True, help="Also what is over by the clock.")
@click.option("-w", "--watch", is_flag=True, help="Look again every second; Ctrl-C ends it.")
@paged
def command(session: Session, name: str | None, *, watch: bool, **given: Any) -> None:
    """Show what the automation NAME, or each, remembers at the moment.

    Of each key how far its window has come, what it waits for, and until when.
    """
    path = f"/api/automations/{segment(name)}/windows" if name else "/api/windows"
    query = {
        "key": given["key"],
        "all": "true" if given["all_"] else None,
        "cursor": given["cursor"],
    }

    def look() -> dict[str, Any]:
        return _page(session.client, path, query, given["limit"])

    output = session.output
    if watch:
        _watch(output, look, name)
    elif output.as_json:
        output.json(look())
    else:
        _print(output, look(), name)


def _page(client: Client, path: str, query: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """As many windows as were asked for: an answer may have fewer, and more behind them."""
    answer: dict[str, Any] = client.get(path, **query, limit=limit)
    while answer["next"] and len(answer["items"]) < limit:
        left = limit - len(answer["items"])
        more = client.get(path, **{**query, "cursor": answer["next"]}, limit=left)
        answer["items"] += more["items"]
        answer["next"] = more["next"]
    return answer


def _print(output: Output, answer: dict[str, Any], name: str | None) -> None:
    if answer["items"]:
        output.out.print(_table(output, answer["items"], name))
        if answer["next"]:
            output.note(f"There is more: --cursor {answer['next']}")
    else:
        output.note(nothing(answer, name))
    for automation in deaf(answer["items"]):
        output.note(_deaf(automation))


def _watch(output: Output, look: Callable[[], dict[str, Any]], name: str | None) -> None:
    if not output.interactive:
        raise click.UsageError("--watch is for a terminal; `ensue events tail` feeds programs")

    def picture() -> RenderableType:
        answer = look()
        output.now = datetime.now(UTC)
        if not answer["items"]:
            return styled(nothing(answer, name), "dim")
        told: list[RenderableType] = [_table(output, answer["items"], name)]
        told += [styled(_deaf(automation), "dim") for automation in deaf(answer["items"])]
        if answer["next"]:
            told.append(styled("There is more: --limit shows more of it.", "dim"))
        return Group(*told)

    with Live(picture(), console=output.out, auto_refresh=False) as live:
        while True:
            time.sleep(_EVERY)
            live.update(picture(), refresh=True)


def _table(output: Output, windows: Sequence[Window], name: str | None) -> Table:
    columns: tuple[str, ...] = ("AUTOMATION", "TRIGGER", "KEY", "WINDOW")
    rows: list[tuple[str | Text, ...]] = [
        (
            styled(window["automation"], "" if window["listens"] else "dim"),
            place(window),
            "" if window["key"] is None else brief(window["key"]),
            told(window, output.now),
        )
        for window in windows
    ]
    if name:
        columns, rows = columns[1:], [row[1:] for row in rows]
    return output.tabulated(columns, rows, whole=("TRIGGER",))


def nothing(answer: Mapping[str, Any], name: str | None) -> str:
    """Why there is nothing to show."""
    if answer["remembers"]:
        return "Nothing is partially matched."
    whose = (
        f"{name} keeps no windows: it fires" if name else "No automation keeps windows: each fires"
    )
    return f"{whose} on each event that matches, and has no flow control."


def deaf(windows: Sequence[Window]) -> list[str]:
    """The automations that hear nothing at the moment, each once."""
    return list(dict.fromkeys(one["automation"] for one in windows if not one["listens"]))


def _deaf(automation: str) -> str:
    return f"{automation} is paused or disabled: nothing comes to its windows, and no time rings."


def place(window: Window) -> str:
    """Which trigger: `count`; `2: count` for the second, `1.0 count` for a nested one."""
    own = not window["path"].startswith("#")
    number = f"{window['trigger'] + 1}: " if own and window["trigger"] else ""
    path = f"{window['path']} " if own and window["path"] else ""
    return f"{number}{path}{window['kind']}"


def told(window: Window, now: datetime) -> Text:
    """How a window stands: `2 of 3, 6m left`."""
    line = styled(_TOLD[window["kind"]](window, now), "")
    if window["holds"]:
        line.stylize("yellow")
    return line


def _counted(window: Window, now: datetime) -> str:
    return _listed(f"{_have(window)} of {window['need']}", _left(window, now))


def _ordered(window: Window, now: datetime) -> str:
    waits = next((part["name"] for part in window["parts"] if part["seen"] is None), None)
    return _listed(
        f"{window['have']} of {window['need']}", waits and f"waits for {waits}", _left(window, now)
    )


def _combined(window: Window, now: datetime) -> str:
    seen = [_seen(part, now) for part in window["parts"] if part["seen"]]
    missing = [part["name"] for part in window["parts"] if not part["seen"]]
    return "; ".join(
        part
        for part in (
            _counted(window, now),
            seen and f"seen {', '.join(seen)}",
            missing and f"missing {', '.join(missing)}",
        )
        if part
    )


def _seen(part: Mapping[str, Any], now: datetime) -> str:
    since = relative(part["seen"], now)
    return f"{part['name']} (holds, since {since})" if part["holds"] else f"{part['name']} {since}"


def _silent(window: Window, now: datetime) -> str:
    awaited, *after = window["parts"]
    since = relative(window["since"], now)
    if after:
        what = f"{after[0]['name']} {since}, and no {awaited['name']}"
    elif awaited["seen"]:
        what = f"last {awaited['name']} {since}"
    else:
        what = f"no {awaited['name']} for {coarse(now - parse_time(window['since']))}"
    if window["holds"]:
        return f"{what}: it fired, and holds until one comes"
    return f"{what}; fires {relative(window['until'], now)}"


def _measured(window: Window, now: datetime) -> str:
    del now  # a figure is that of the moment
    measure, have, need = window["measure"], window["have"], window["need"]
    side = "above" if "above" in measure else "below"
    bound = f"{side} {measure[side]:,}"
    if window["more"]:
        what = f"more than {have:,} values, too many to look at"
    elif measure["figure"] is None:
        what = f"{have} of {need} values that it takes"
    else:
        what = f"{measure['function']} {_number(measure['figure'])} over {_many(have, 'value')}"
    return f"{what}, {bound}: it fired, and holds" if window["holds"] else f"{what}; fires {bound}"


def _clocked(window: Window, now: datetime) -> str:
    return f"next {relative(window['until'], now)}"


def _throttled(window: Window, now: datetime) -> str:
    when = relative(window["until"], now)
    if window["have"] < window["need"]:
        return f"{window['have']} of {window['need']} passed, one fewer {when}"
    return f"closed, {window['suppressed']:,} suppressed; opens {when}"


def _gathered(window: Window, now: datetime) -> str:
    have, need, events = window["have"], window["need"], window["events"]
    what = f"{have:,} of {need:,}" if need else _many(have, "firing")
    return f"{what} with {_many(events, 'event')}, goes {relative(window['until'], now)}"


_TOLD: Final[Mapping[str, Callable[[Window, datetime], str]]] = {
    "count": _counted,
    "sequence": _ordered,
    "all": _combined,
    "any": _combined,
    "absent": _silent,
    "aggregate": _measured,
    "clock": _clocked,
    "throttle": _throttled,
    "debounce": _gathered,
    "batch": _gathered,
}


def _have(window: Window) -> str:
    return f"{window['have']}+" if window["more"] else str(window["have"])


def _left(window: Window, now: datetime) -> str | None:
    """`6m left`, or how long it is over."""
    if not window["until"]:
        return None
    span = parse_time(window["until"]) - now
    return f"over since {coarse(-span)}" if span < timedelta(0) else f"{coarse(span)} left"


def _listed(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _number(figure: float) -> str:
    """Short, and exact where it is whole."""
    return f"{figure:,.0f}" if float(figure).is_integer() else f"{figure:,.4g}"

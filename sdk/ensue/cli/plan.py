"""`ensue plan`: what applying rules would change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from ensue.cli.backtest import day, print_problem
from ensue.cli.client import CommandError
from ensue.cli.inputs import instant
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, brief, styled
from ensue.cli.progress import followed
from ensue.cli.rule_files import read_files

_MARKS: Final = {
    "created": ("+", "green"),
    "updated": ("~", "yellow"),
    "deleted": ("-", "red"),
    "unchanged": ("=", "dim"),
}
_SHOWN: Final = 300
"""Letters of a value."""


@client_command("plan")
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--prune", is_flag=True, help="Delete what was applied before and is not in PATH any more."
)
@click.option(
    "--since",
    type=instant,
    default="24h",
    show_default=True,
    metavar="TIME|SPAN",
    help="Compare old and new over the events from then on.",
)
@click.option(
    "--events",
    type=click.IntRange(0),
    metavar="N",
    default=200_000,
    show_default=True,
    help="Over the newest N of them at most; 0 compares nothing.",
)
def command(session: Session, path: Path, prune: bool, since: str, events: int) -> int:
    """Show what applying the rules in PATH would change. Nothing is changed.

    PATH is a project directory, a folder of rules, or a file. For each rule that changes, old
    and new are held against the stored events. Exits with 1 when the rules cannot be applied.
    """
    body = {"files": read_files(path), "prune": prune, "since": since, "events": events}
    told = planned(session, body)
    if session.output.as_json:
        session.output.json(told)
    else:
        print_plan(session.output, told)
    return 0 if can_apply(told) else 1


def planned(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """The server's plan, with a bar while it compares."""
    for line in followed(session.output, session.client.told("/api/plan", body)):
        if line.pop("kind", None) == "plan":
            return line
    raise CommandError("the answer broke off before its end", hint="is the server stopping?")


def can_apply(told: dict[str, Any]) -> bool:
    """Whether a plan is one that can be applied."""
    return not told["problems"] and not any(one["conflict"] for one in told["changes"])


def is_empty(told: dict[str, Any]) -> bool:
    """Whether a plan changes nothing."""
    return all(one["change"] == "unchanged" for one in told["changes"])


def print_plan(output: Output, told: dict[str, Any]) -> None:
    """A plan for people: the changes, what is wrong, and a summary."""
    for change in told["changes"]:
        if change["change"] != "unchanged":
            _print_change(output, change, told["events"])
    for problem in told["problems"]:
        print_problem(output, problem)
    kinds = [change["change"] for change in told["changes"]]
    counts = [f"{kinds.count(kind)} {kind}" for kind in _MARKS if kind in kinds]
    if told["problems"]:
        counts.append(f"{len(told['problems'])} invalid")
    output.note(", ".join(counts) or "Nothing to change.")
    if not is_empty(told):
        output.note(_looked_at(told))


def _looked_at(told: dict[str, Any]) -> str:
    """What old and new were compared over, and what not."""
    if not told["events"]:
        if told["left_out"]:
            return "No events were looked at: --events says how many are to be."
        return f"No events are stored since {day(told['since'])}: nothing to compare with."
    events = f"{told['events']:,} events, {day(told['from'])} to {day(told['until'])}"
    if not told["left_out"]:
        return f"Old and new compared over {events}."
    return (
        f"Old and new compared over the newest {events}. "
        f"{told['left_out']:,} older ones since {day(told['since'])} were not looked at: "
        "--events N looks at more."
    )


def _print_change(output: Output, change: dict[str, Any], events: int) -> None:
    sign, style = _MARKS[change["change"]]
    place = f"{change['file']}:{change['line']}" if change["file"] else ""
    name = styled(change["automation"], "bold")
    output.say(styled(f"{sign} {change['change']}", style), name, styled(place, "dim"))
    for field in change["fields"]:
        for line in _field(field):
            output.say("   ", line)
    if change["resets"]:
        words = "its trigger means something else: what its windows hold is lost"
        output.say("   ", styled(words, "yellow"))
    if text := _compared(change, events):
        output.say("   ", text)
    if change["conflict"]:
        words = f"cannot be applied: the project directory brings it, by {change['conflict']}"
        output.say("   ", styled(words, "red"))


def _field(field: dict[str, Any]) -> Iterator[Text]:
    old, new = brief(field["old"], _SHOWN), brief(field["new"], _SHOWN)
    if field["added"]:
        yield styled(f"{field['path']}: ", "").append_text(styled(f"+ {new}", "green"))
    elif field["removed"]:
        yield styled(f"{field['path']}: ", "").append_text(styled(f"- {old}", "red"))
    else:
        line = styled(f"{field['path']}: ", "").append_text(styled(old, "red"))
        yield line.append_text(styled(" → ", "dim")).append_text(styled(new, "green"))


def _compared(change: dict[str, Any], events: int) -> Text | None:
    """How often it would have fired: "41 times, not 3"."""
    before, after = change["before"], change["after"]
    over = f" over {events:,} events"
    if not events or (before is None and after is None):
        return None
    if after is None:
        return styled(f"would have fired {_times(before['fired'])}{over}, and no more", "cyan")
    text = styled(f"would have fired {_times(after['fired'])}", "cyan")
    if before is not None:
        same = before["fired"] == after["fired"]
        text.append_text(styled(", as before" if same else f", not {before['fired']:,}", "cyan"))
    text.append_text(styled(over, "cyan"))
    if after["stopped"]:
        words = f"; its breaker would have paused it, before {after['missed']:,} more"
        text.append_text(styled(words, "yellow"))
    if after["errors"]:
        words = f"; no answer {_times(after['errors'])}: {after['last_error']}"
        text.append_text(styled(words, "yellow"))
    return text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"

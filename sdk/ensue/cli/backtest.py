"""`ensue backtest`: what draft rules would have done."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from ensue.cli.client import CommandError
from ensue.cli.inputs import instant
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, brief, styled
from ensue.cli.progress import followed
from ensue.cli.rule_files import read_files
from ensue.cli.words import parse_time

_MOST: Final = 100_000
_OUTCOMES: Final = {"suppressed": "yellow", "looped": "yellow", "resolved": "green"}


@client_command("backtest")
@click.argument("path", metavar="[PATH]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--since",
    type=instant,
    default="7d",
    show_default=True,
    metavar="TIME|SPAN",
    help="Over the events from then on; 7d is seven days back.",
)
@click.option("--until", type=instant, metavar="TIME|SPAN", help="Over the events up to then.")
@click.option(
    "--limit",
    type=click.IntRange(0, _MOST),
    default=100,
    show_default=True,
    help="How many firings to show; all are counted.",
)
def command(session: Session, path: Path, since: str, until: str | None, limit: int) -> int:
    """Show what rules would have done over the events that are stored. Nothing is done.

    PATH is a project directory, a folder of rules, or a file. Exits with 1 when a rule cannot
    be read.
    """
    body: dict[str, Any] = {"files": read_files(path), "since": since, "limit": limit}
    if until is not None:
        body["until"] = until
    output = session.output
    found: dict[str, list[dict[str, Any]]] = {"problem": [], "firing": []}
    summary: dict[str, Any] | None = None
    for line in followed(output, session.client.told("/api/backtest", body)):
        kind = line.pop("kind", None)
        if kind == "summary":
            summary = line
        elif kind in found:
            found[kind].append(line)
            if not output.as_json:
                _PRINTERS[kind](output, line)
    if summary is None:
        raise CommandError("the answer broke off before its end", hint="is the server stopping?")
    if output.as_json:
        summary["shown"], summary["problems"] = found["firing"], found["problem"]
        output.json(summary)
    else:
        _print_summary(output, summary)
    return 1 if found["problem"] else 0


def _print_firing(output: Output, firing: dict[str, Any]) -> None:
    at = parse_time(firing["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    event = firing["event"] or {}
    outcome = firing["outcome"]
    how = "" if outcome == "acted" else outcome
    if how and how != "resolved":
        how += f" ({firing['reason']})"
    output.say(
        styled(at, "dim"),
        styled(firing["automation"], "bold"),
        _key(firing),
        styled(" ".join(filter(None, (event.get("type"), event.get("subject")))), "cyan"),
        styled(event.get("id", ""), "dim"),
        styled(how, _OUTCOMES.get(outcome, "")),
    )
    for action in firing["actions"]:
        output.say("   ", deed(action))


def _key(firing: dict[str, Any]) -> Text:
    parts = [] if firing["key"] is None else [f"key {brief(firing['key'])}"]
    if firing["count"] > 1:
        parts.append(f"{firing['count']} events")
    return styled(", ".join(parts), "")


def deed(action: dict[str, Any]) -> Text:
    """What an action would have done, on one line."""
    text = styled(f"{action['kind']} {action['target']}", "")
    if action["error"]:
        return text.append_text(styled(f"  failed: {action['error']}", "red"))
    fields = {name: value for name, value in action["fields"].items() if name != "time"}
    return text.append_text(styled(f"  {brief(fields, 200)}" if fields else "", "dim"))


def print_problem(output: Output, problem: dict[str, Any]) -> None:
    """What is wrong with a file, and where."""
    output.say(styled("invalid", "red"), f"{problem['place']}: {problem['message']}")
    if problem.get("hint"):
        output.say(styled(f"    {problem['hint']}", "dim"))


_PRINTERS: Final = {"firing": _print_firing, "problem": print_problem}


def _print_summary(output: Output, summary: dict[str, Any]) -> None:
    rules = summary["rules"]
    if summary["left_out"]:
        output.note(f"{summary['left_out']:,} more firings: --limit shows more of them.")
    if rules:
        output.out.print()
        output.table(
            ("RULE", "FIRED", "HELD BACK", "NO ANSWER", "REMARK"),
            ([*_figures(rule), _remark(rule)] for rule in rules),
            whole=("RULE",),
        )
    span = f"{day(summary['since'])} to {day(summary['until'])}"
    fired = "1 firing" if summary["firings"] == 1 else f"{summary['firings']:,} firings"
    output.note(f"{fired} over {summary['events']:,} events, {span}.")
    if not summary["events"]:
        output.note("Nothing is stored from that time: `ensue events ls` lists what there is.")
    elif not summary["firings"] and rules:
        output.note("`ensue explain EVENT` says what an event lacks for the rules in force.")


def _figures(rule: dict[str, Any]) -> list[str]:
    held = rule["suppressed"] + rule["looped"]
    counts = (rule["fired"], held, rule["errors"])
    return [rule["automation"], *(f"{count:,}" if count else "" for count in counts)]


def _remark(rule: dict[str, Any]) -> Text:
    if rule["stopped"]:
        return styled(
            f"its breaker would have paused it at {day(rule['stopped'])}, "
            f"before {rule['missed']:,} more",
            "yellow",
        )
    return styled(rule["last_error"] or "", "dim")


def day(at: str) -> str:
    """A moment in the time of this place, to the minute."""
    return parse_time(at).astimezone().strftime("%Y-%m-%d %H:%M")

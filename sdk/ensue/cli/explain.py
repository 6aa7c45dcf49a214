"""`ensue explain`: why an event did what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
from rich.text import Text

from ensue.cli.client import segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import Output, brief, state, styled
from ensue.cli.windows import told as told_window
from ensue.cli.words import relative

_GUARDS: Final = {
    "paused": "it is paused: `ensue automations resume {name}`",
    "disabled": "it is disabled: `enabled: false`",
    "shadow": "it is in shadow: it fires and does not act",
    "too_deep": "the chain is at the rule's max_depth",
}
_STILL: Final = frozenset(("paused", "disabled"))
"""Guards that keep a rule from listening at all."""


@client_command("explain")
@click.argument("event")
@click.option("--automation", metavar="NAME", help="Only this automation, however far it is off.")
@click.option(
    "--misses",
    type=click.IntRange(0, 100),
    default=5,
    show_default=True,
    help="How many rules to show that nearly matched.",
)
def command(session: Session, event: str, automation: str | None, misses: int) -> None:
    """Say what each automation makes of EVENT, and what came of it.

    Those that match come first, then those that came closest, with what the event lacks.
    """
    path = f"/api/events/{segment(event)}/explain"
    told = session.client.get(path, automation=automation, misses=misses)
    output = session.output
    if output.as_json:
        output.json(told)
        return
    _print_event(output, told["event"])
    for verdict in told["matched"]:
        _print_match(output, verdict)
    for firing in told["other_firings"]:
        _print_firing(output, firing, styled(firing["automation"], "bold"))
    for verdict in told["missed"]:
        _print_miss(output, verdict)
    _print_rest(output, told)


def _print_event(output: Output, event: dict[str, Any]) -> None:
    output.say(
        styled(event["type"], "bold"),
        event["subject"] or "",
        styled(f"from {event['source']}, {relative(event['time'], output.now)}", "dim"),
        styled(event["id"], "dim"),
    )


def _print_match(output: Output, verdict: dict[str, Any]) -> None:
    name = _named(verdict)
    if verdict["firing"]:
        _print_firing(output, verdict["firing"], name)
    elif verdict["windows"]:
        output.say(styled("✓", "green"), name, styled("matches", "green"))
        for reason in _held(verdict):
            output.say("   ", reason)
    else:
        output.say(styled("✓", "green"), name, styled("matches, and did not fire", "yellow"))
        for reason in _held(verdict) or ["it came into force later, or its turn is still to come"]:
            output.say("   ", reason)
    for window in verdict["windows"]:
        output.say("   ", window_line(output, window))
    if verdict["changed_since"]:
        output.say("   ", styled("the rule has changed since the event came in", "dim"))


def window_line(output: Output, window: dict[str, Any]) -> Text:
    """`window db-1: 2 of 3, 6m left`."""
    key = "" if window["key"] is None else f" {brief(window['key'])}"
    if not (window["have"] or window["until"] or window["holds"]):
        return styled(f"window{key}: empty by now", "cyan")
    without = "" if window["remembered"] else "; without this event"
    return styled(f"window{key}: {told_window(window, output.now).plain}{without}", "cyan")


def _held(verdict: dict[str, Any]) -> list[str]:
    return [_GUARDS[guard].format(name=verdict["automation"]) for guard in verdict["guards"]]


def _print_firing(output: Output, firing: dict[str, Any], name: Text) -> None:
    outcome = "fired" if firing["outcome"] == "acted" else firing["outcome"]
    good = outcome in {"fired", "resolved"}
    if not good and firing["reason"]:
        outcome += f" ({firing['reason']})"
    output.say(
        styled("✓", "green"),
        name,
        styled(outcome, "green" if good else "yellow"),
        styled("again" if firing["occasion"] else "", "yellow"),
        styled(firing["id"], "dim"),
    )
    runs = {run["id"]: run for run in firing["runs"]}
    for action in firing["actions"]:
        output.say("   ", *_action(action, runs))


def _action(action: dict[str, Any], runs: dict[str, Any]) -> Iterator[str | Text]:
    result = action["result"] or {}
    yield action["kind"]
    if run := runs.get(result.get("run", "")):
        yield run["flow"]
        yield state(run["state"])
        yield styled(run["id"], "dim")
        return
    yield state(action["status"])
    for what in ("event", "run", "flow", "automation"):
        if what in result:
            yield styled(result[what], "dim")
    if "runs" in result:
        yield styled(f"{result['runs']:,} runs{' and more' if result['more'] else ''}", "dim")
    if action["error"]:
        yield styled(action["error"], "dim" if action["status"] == "skipped" else "red")


def _print_miss(output: Output, verdict: dict[str, Any]) -> None:
    output.say(
        styled("✗", "red"),
        _named(verdict),
        styled(", ".join(guard for guard in verdict["guards"] if guard in _STILL), "yellow"),
    )
    for condition in verdict["conditions"]:
        output.say("   ", condition_line(condition))


def condition_line(condition: dict[str, Any]) -> Text:
    """One thing that was asked of an event, and what it had instead."""
    path, actual = condition["path"], condition["actual"]
    if path == "where":
        line = styled(f"where {brief(condition['wanted'], 200)}", "")
        if actual:
            had = ", ".join(
                f"{name} is {'missing' if value is None else brief(value)}"
                for name, value in actual.items()
            )
            line.append_text(styled(f"  {had}", "cyan"))
    else:
        line = styled(f"{path}: wanted {wanted(condition['wanted'])}", "")
        was = "it is missing" if condition.get("missing") else f"was {brief(actual)}"
        line.append_text(styled(f", {was}", "cyan"))
    if condition.get("note"):
        line.append_text(styled(f"  {condition['note']}", "dim"))
    return line


def wanted(value: Any) -> str:
    """What a pattern asks for: one thing as itself, several with `or` between."""
    if isinstance(value, list) and value:
        return " or ".join(brief(one) for one in value)
    return brief(value)


def _print_rest(output: Output, told: dict[str, Any]) -> None:
    if not told["rules"]:
        output.note("No automations are in force. `ensue automations ls` says what is wrong.")
        return
    rest = _listed(
        [
            (
                told["more_missed"],
                "more that listens to this type",
                "more that listen to this type",
            ),
            (told["other_types"], "that listens to other types", "that listen to other types"),
        ]
    )
    if rest:
        output.note(f"And {rest}.")
    if not told["matched"] and not told["missed"]:
        output.note("No automation listens to this type; --automation NAME says what one wants.")


def _listed(counts: Sequence[tuple[int, str, str]]) -> str:
    return ", ".join(f"{n} {one if n == 1 else several}" for n, one, several in counts if n)


def _named(verdict: dict[str, Any]) -> Text:
    text = styled(verdict["automation"], "bold")
    if verdict["trigger"]:
        text.append_text(styled(f" (trigger {verdict['trigger'] + 1})", ""))
    if verdict["file"]:
        line = f":{verdict['line']}" if verdict["line"] else ""
        text.append_text(styled(f" {verdict['file']}{line}", "dim"))
    return text

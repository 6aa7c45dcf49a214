"""`ensue lineage`: from the first event of a chain to all that ensued, as a tree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import click
from rich.text import Text
from rich.tree import Tree

from ensue.cli.client import Client, CommandError, segment
from ensue.cli.options import Session, client_command
from ensue.cli.output import state, styled
from ensue.cli.words import parse_time, took

_KIND: Final = re.compile(r"ensue\.(run|task)\.\w+$")
_MOST_STATES: Final = 10
"""Of what was tried again and again."""


@client_command("lineage")
@click.argument("thing", metavar="EVENT|RUN")
@click.option("--all", "all_", is_flag=True, help="Show each state as the event it is.")
def command(session: Session, thing: str, *, all_: bool) -> None:
    """Show what led to an event or a run, and all that ensued.

    The states of a run, or of a task in it, are one line; times count from the first event.
    """
    answer = _lineage(session.client, thing)
    output = session.output
    if output.as_json:
        output.json(answer)
        return
    for tree in trees(answer["items"], thing, folded=not all_):
        output.out.print(tree)


def _lineage(client: Client, thing: str) -> Any:
    try:
        return client.get(f"/api/events/{segment(thing)}/lineage")
    except CommandError as error:
        if error.status != 404:
            raise
        of_run = client.get("/api/events", subject=thing, limit=1, order="asc")["items"]
        if not of_run:
            raise CommandError(
                f"there is no event and no run {thing}", hint="`ensue events ls` lists events"
            ) from None
        return client.get(f"/api/events/{segment(of_run[0]['id'])}/lineage")


@dataclass(frozen=True, slots=True)
class _Thing:
    """What a branch stands for: an event, or a run or task with all its states."""

    kind: str
    id: str
    name: str

    @classmethod
    def of(cls, event: Mapping[str, Any], *, folded: bool) -> _Thing:
        kind, data = _KIND.match(event["type"]), event.get("data")
        given = data if isinstance(data, dict) else {}
        if folded and kind:
            what = kind[1]
            id_ = event.get("subject") if what == "run" else given.get("task")
            name = given.get("flow" if what == "run" else "name")
            if id_:
                # A run's events come from `/flows/<name>`.
                return cls(what, str(id_), str(name or event["source"].rpartition("/")[2]))
        return cls("event", event["id"], event["type"])


def trees(events: Sequence[dict[str, Any]], marked: str, *, folded: bool = True) -> list[Tree]:
    """The events under the ones that caused them; in general one tree.

    Folded, the states of one run or task are one line, with what came of any of them below it.
    """
    if not events:
        return []
    began = min(parse_time(event["time"]) for event in events)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    place: dict[str, tuple[str, str]] = {}
    for event in events:
        thing = _Thing.of(event, folded=folded)
        place[event["id"]] = (thing.kind, thing.id)
        groups.setdefault(place[event["id"]], []).append(event)
    nodes = {
        key: Tree(
            _label(_Thing.of(group[0], folded=folded), group, began, marked), guide_style="dim"
        )
        for key, group in groups.items()
    }
    roots = []
    for key, (first, *_) in groups.items():
        parent = place.get(first.get("causationid") or "")
        if parent is None or parent == key:
            roots.append(nodes[key])
        else:
            nodes[parent].children.append(nodes[key])
    return roots


def _label(thing: _Thing, group: Sequence[dict[str, Any]], began: datetime, marked: str) -> Text:
    subject = group[0].get("subject") or ""
    of_task = {"" if thing.kind == "task" else subject}
    here = marked in {thing.id, *(one["id"] for one in group)} | of_task
    bold = "bold reverse" if here else "bold"
    if thing.kind == "event":
        parts = [styled(thing.name, bold), styled(subject, ""), _after(group[0], began)]
    else:
        states = Text(" → ").join(_states(group, began))
        parts = [styled(f"{thing.kind} {thing.name}", bold), states]
    return Text(" ").join(part for part in (*parts, styled(thing.id, "dim")) if part)


def _states(group: Sequence[dict[str, Any]], began: datetime) -> list[Text]:
    """Each state and when it came; of very many, the first and the last."""
    told = []
    for one in group:
        text = state(one["type"].rpartition(".")[2])
        told.append(text.append(" ").append_text(_after(one, began)))
    left_out = len(told) - _MOST_STATES
    if left_out > 0:
        half = _MOST_STATES // 2
        told[half : half + left_out] = [styled(f"({left_out} more)", "dim")]
    return told


def _after(event: Mapping[str, Any], began: datetime) -> Text:
    return styled(f"+{took((parse_time(event['time']) - began).total_seconds())}", "cyan")

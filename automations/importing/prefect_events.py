"""Names of events: what Prefect calls them, and what they are here.

Prefect's own events about runs, tasks and automations have equals of the service's own.
Any other event (of a webhook, of `emit_event`, of blocks) is a *foreign* one: it keeps its
name as its type, and its whole body as its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automations.importing.notes import Notes

RUN, TASK = "prefect.flow-run.", "prefect.task-run."

_RUN_STATES: Mapping[str, str] = {
    "Scheduled": "scheduled",
    "Late": "late",
    "Pending": "pending",
    "Running": "running",
    "AwaitingRetry": "retrying",
    "Retrying": "retrying",
    "Completed": "completed",
    "Failed": "failed",
    "TimedOut": "timed_out",
    "Crashed": "crashed",
    "Cancelling": "cancelling",
    "Cancelled": "cancelled",
    "Paused": "paused",
    "Suspended": "paused",
    "Resuming": "resumed",
}
_TASK_STATES: Mapping[str, str] = {
    "Running": "running",
    "AwaitingRetry": "retrying",
    "Retrying": "retrying",
    "Completed": "completed",
    "Failed": "failed",
    "TimedOut": "timed_out",
}
STATE_TYPES: Mapping[str, tuple[str, ...]] = {
    "SCHEDULED": ("scheduled", "late", "retrying"),
    "PENDING": ("pending",),
    "RUNNING": ("running",),
    "COMPLETED": ("completed",),
    "FAILED": ("failed", "timed_out"),
    "CRASHED": ("crashed",),
    "CANCELLING": ("cancelling",),
    "CANCELLED": ("cancelled",),
    "PAUSED": ("paused",),
}
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "prefect.automation.created": ("ensue.automation.created",),
    "prefect.automation.updated": ("ensue.automation.updated",),
    "prefect.automation.deleted": ("ensue.automation.deleted",),
    "prefect.automation.triggered": ("ensue.automation.fired",),
    "prefect.automation.resolved": ("ensue.automation.resolved",),
    "prefect.automation.action.executed": ("ensue.action.succeeded",),
    "prefect.automation.action.failed": ("ensue.action.failed", "ensue.action.dead"),
    "prefect.deployment.created": ("ensue.flow.registered",),
    "prefect.deployment.updated": ("ensue.flow.updated",),
    "prefect.worker.started": ("ensue.worker.online",),
    "prefect.worker.stopped": ("ensue.worker.offline",),
}
_NATIVE: Mapping[str, tuple[str, ...]] = {
    **{f"{RUN}{name}": (f"ensue.run.{state}",) for name, state in _RUN_STATES.items()},
    **{f"{TASK}{name}": (f"ensue.task.{state}",) for name, state in _TASK_STATES.items()},
    **_OTHERS,
}
_WHOLE: Mapping[str, tuple[str, ...]] = {
    f"{RUN}*": ("ensue.run.*",),
    f"{TASK}*": ("ensue.task.*",),
    "prefect.automation.*": ("ensue.automation.*", "ensue.action.*"),
}
_SHADES: Mapping[str, str] = {
    "Retrying": "here it is said when an attempt failed, not when the next one begins",
    "Suspended": "a run that has begun is not suspended here: only one that waits can be paused",
    "prefect.deployment.created": "there are flows here and no deployments",
    "prefect.deployment.updated": "there are flows here and no deployments",
}


@dataclass(frozen=True, slots=True)
class Names:
    """The types that a list of names stands for: the service's own, and foreign ones."""

    native: tuple[str, ...]
    foreign: tuple[str, ...]


def run_state(name: str) -> str | None:
    """The state of a run that Prefect calls `name`."""
    return _RUN_STATES.get(name)


def translated(names: list[str], notes: Notes) -> Names:
    """The types for a list of `expect` or `after`, each once, in order."""
    native: dict[str, None] = {}
    foreign: dict[str, None] = {}
    for name in names:
        if own := _own(name, notes):
            native.update(dict.fromkeys(own))
        elif name.startswith(("!", "*")) and name != "*":
            notes.missing(f"`{name}`", "names of events are not negated here", "Name those meant.")
        else:
            if name.startswith("prefect."):
                _tell_unknown(name, notes)
            if "*" in name[:-1] or "?" in name:
                notes.differs(f"`{name}`", "`*` and `?` stand for any text wherever they are")
            foreign[name] = None
    return Names(tuple(native), tuple(foreign))


def _own(name: str, notes: Notes) -> tuple[str, ...]:
    name = name.replace("prefect-cloud.automation", "prefect.automation")
    if whole := _WHOLE.get(name):
        return whole
    shade = _SHADES.get(name) or _SHADES.get(name.rpartition(".")[2])
    if exact := _NATIVE.get(name):
        if shade:
            notes.differs(f"`{name}` is `{' or '.join(exact)}`", shade)
        return exact
    if not name.endswith("*") or not name.startswith("prefect."):
        return ()
    found = {
        own: None
        for known, types in _NATIVE.items()
        if known.startswith(name[:-1])
        for own in types
    }
    if found:
        notes.differs(
            f"`{name}`", f"it is {', '.join(found)} here: what else it covers has no equal"
        )
    return tuple(found)


def _tell_unknown(name: str, notes: Notes) -> None:
    notes.missing(
        f"`{name}`",
        "no such event is sent here; the rule waits for one of that name",
        "Send it from Prefect, or name an event of `docs/reference/events.md`.",
    )

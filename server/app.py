"""The composition root: the only place that constructs across floors.

It reads as the service starts, from the database up to the HTTP face, and is stopped the other
way round: first nothing new comes in, then what is under way is drained, then the journal
commits what still waits, and last the database is closed.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Final

import server.tables  # noqa: F401 - what is imported is what a new database gets
from automations import retention as firing_retention
from automations.directory import RuleDirectory
from automations.figures import count_rules
from automations.firing_sink import FiringRecorder
from automations.following import RuleFollowing
from automations.occasions import Occasions
from automations.reach import Reach
from automations.rulebook import Rulebook
from automations.ruleset import Ruleset
from automations.target import Allowed
from base.clock import ClockWatch
from base.database import Address, Database
from base.figures import Figures
from base.metrics import Metrics
from base.services import ServiceGroup
from base.settings import Settings
from engine import retention as run_retention
from engine.control import Control
from engine.figures import count_runs
from engine.launcher import ProcessLauncher
from engine.recorder import Recorder
from engine.registry import Registry
from engine.rescue import Rescue
from engine.starter import RunStarter
from engine.steerer import RunSteerer
from engine.worker import Worker, WorkerOptions
from events import retention
from events.journal import Journal
from events.retention import Retention, Sweep
from events.seen_loader import SeenLoader
from events.segmented_seen import SegmentedSeen
from events.store import open_seen, open_writer
from events.webhooks.hook import Surroundings
from events.webhooks.source import SUFFIXES
from server import face
from server.api.openapi import OpenApi
from server.body import Bodies
from server.counting import count_journal, count_stored, count_turns
from server.floors import Engine, Floors
from server.gate import Gate
from server.hooks import Hooks
from server.http import Http
from server.intake.lending import Lending
from server.refusals import Refusals
from server.remembering import limits
from server.route import Route
from server.router import Router
from server.skew import ClockSkew
from server.storage import Background, Outgoing, Storage
from server.stream import LiveStream
from server.timing import Timing
from server.watch import FolderWatch
from triggers import retention as window_retention
from triggers.evaluator import TriggerEvaluator
from triggers.timers import Timers
from triggers.windows import Windows

_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_REPLAY_WINDOW: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class App:
    """The service, composed and not started yet."""

    floors: Floors
    services: ServiceGroup
    http: Http

    @property
    def url(self) -> str:
        return self.http.url


async def serve(settings: Settings, on_ready: Callable[[App], None]) -> None:
    """Serve until a signal or the death of a part."""
    async with composed(settings) as app:
        await app.services.serve(lambda: on_ready(app))


@asynccontextmanager
async def composed(settings: Settings) -> AsyncIterator[App]:
    """The whole service around an open database, which is closed at the end.

    Raises ConfigurationError or ConflictError where it cannot be: a database that is newer,
    locked or out of reach.
    """
    async with AsyncExitStack() as stack:
        database = Database(Address.parse(settings.database))
        await database.open()
        stack.push_async_callback(database.close)
        floors = await _floors(settings, database)
        refusals = Refusals(floors.journal)
        stream = LiveStream(floors.journal, database)
        openapi = OpenApi(version("ensue-server"))
        routes = [*openapi.routes(), *face.routes(floors, refusals, stream, lambda: http.url)]
        openapi.describe(routes)
        timing = Timing(floors.metrics.http_request_seconds)
        lending = _lending(settings, routes, timing)
        http = Http(
            Router(routes),
            Gate(loopback=settings.loopback, names=settings.hosts),
            Bodies(settings.limits.event_size),
            address=(settings.host, settings.port),
            timing=timing,
            lending=lending,
        )
        http.on_stop = stream.end
        services = [
            floors.engine.launcher,  # its fork server comes up while all others start
            floors.storage,
            floors.clock,
            *(one for one in (floors.following, floors.skew) if one),
            _housekeeping(floors),
            refusals,
            stream,
            floors.directory,
            floors.engine.registry,  # before what sets off runs: it waits for the first look
            floors.timers,
            floors.dispatcher,
            Figures(floors.database, count_rules(floors.metrics), count_runs(floors.metrics)),
            *floors.engine.services,
            FolderWatch(settings.directory / "sources", SUFFIXES, floors.hooks.load),
            *((lending,) if lending else ()),
            http,
        ]
        yield App(floors, ServiceGroup(services, grace=settings.shutdown), http)


async def _floors(settings: Settings, database: Database) -> Floors:
    """Everything below the HTTP face, with the upward calls handed in."""
    metrics = Metrics(process=True)
    starter = RunStarter()
    bounds = settings.rules
    rules = Ruleset(max_depth=bounds.max_depth, breaker=bounds.breaker)
    windows = Windows()
    reach = Reach(starter, RunSteerer(), rules, windows)
    recorder = FiringRecorder(rules, reach, windows, variables=settings.vars)
    evaluator = TriggerEvaluator(recorder, windows, variables=settings.vars)
    rules.serve(evaluator)

    seen = await open_seen(database)
    writer = open_writer(database)
    journal = Journal(writer, seen, evaluator, intake_bytes=settings.limits.intake_bytes)
    rulebook = Rulebook(database, journal, rules, windows, limits=limits(settings))
    rulebook.on_resumed = recorder.forget
    evaluator.on_epoch = rulebook.follow
    journal.subscribe(windows.committed)
    journal.subscribe(recorder.committed)
    journal.subscribe(count_stored(metrics))
    count_journal(metrics, journal)
    recorder.on_turn = count_turns(metrics)
    await rulebook.load()
    clock = ClockWatch()
    timers = Timers(database, journal, evaluator, watch=clock)
    windows.on_timer = timers.expect

    hooks = Hooks(settings.directory / "sources", _surroundings(settings))
    await hooks.load()
    alone = database.address.dialect == "sqlite"
    dispatcher = Outgoing(
        journal,
        metrics,
        allowed=Allowed.parse(settings.calls.allow_private_targets),
        channels=settings.channels,
        alone=alone,
        watch=clock,
    )
    recorder.on_queued = dispatcher.wake
    return Floors(
        settings=settings,
        metrics=metrics,
        database=database,
        seen=seen,
        journal=journal,
        storage=Storage(journal, writer),
        clock=clock,
        evaluator=evaluator,
        timers=timers,
        rules=rules,
        rulebook=rulebook,
        following=None if alone else RuleFollowing(database, journal, evaluator),
        skew=None if alone else ClockSkew(database),
        directory=RuleDirectory(
            settings.directory, rulebook, instance=_instance(settings), limits=limits(settings)
        ),
        occasions=Occasions(journal, rules, recorder, evaluator),
        dispatcher=dispatcher,
        engine=_engine(settings, journal, starter, clock, alone=alone),
        hooks=hooks,
    )


def _engine(
    settings: Settings, journal: Journal, starter: RunStarter, clock: ClockWatch, *, alone: bool
) -> Engine:
    """`alone` says that no other server can be on this database."""
    runs = settings.runs
    lease, heartbeat = runs.lease.total_seconds(), runs.heartbeat.total_seconds()
    recorder = Recorder(journal)
    launcher = ProcessLauncher(
        settings.directory,
        python=settings.flows.python,
        patience=None if alone else max(lease - 5, lease / 2),
    )
    registry = Registry(journal, settings.directory, launcher.python)
    worker = Worker(
        journal=journal,
        recorder=recorder,
        launcher=launcher,
        flows=lambda: registry.flows,
        directory=settings.directory,
        options=WorkerOptions(
            slots=runs.concurrency,
            pool=runs.pool,
            lease=lease,
            heartbeat=heartbeat,
            drain=settings.shutdown.total_seconds() * 0.4,
            exclusive=alone,
        ),
    )
    clock.on_set.append(lambda _leap: worker.wake())
    return Engine(
        control=Control(journal, starter),
        recorder=recorder,
        launcher=launcher,
        registry=registry,
        watch=FolderWatch(settings.directory / "flows", frozenset({".py"}), registry.refresh),
        worker=worker,
        rescue=Rescue(journal, lease=runs.lease // _MICROSECOND, watch=clock),
    )


def _lending(settings: Settings, routes: Iterable[Route], timing: Timing) -> Lending | None:
    """A reader beside the server, where that can be and a core is left for it."""
    if not (settings.reader and hasattr(select, "epoll") and len(os.sched_getaffinity(0)) > 1):
        return None
    limits = settings.limits
    for route in routes:
        if route.decoded is not None:
            return Lending(
                route,
                route.decoded,
                timing,
                max_bytes=limits.event_size,
                max_events=limits.batch_events,
            )
    return None


def _housekeeping(floors: Floors) -> Background:
    """What is forgotten, and after how long; and the memory of ids, warmed up."""
    keep, seen = floors.settings.retention, floors.seen
    sweeps = [
        Sweep("events", keep.events, retention.delete_events),
        Sweep("deliveries", keep.deliveries, retention.delete_deliveries),
        Sweep("replays", _LONGEST_REPLAY_WINDOW, retention.delete_replays),
        Sweep("seen", floors.settings.events.dedupe_for, retention.forget_seen(seen)),
        *window_retention.sweeps(
            floors.evaluator.windows,
            floors.evaluator.node,
            events=keep.events,
            firings=keep.firings,
        ),
        *firing_retention.sweeps(firings=keep.firings),
        *run_retention.sweeps(runs=keep.runs, logs=keep.logs),
    ]
    forgetting = Retention(floors.journal, sweeps)
    removed = floors.metrics.retention_deleted
    forgetting.on_removed = lambda kind, rows: removed.labels(kind).inc(rows)
    work = [forgetting.run]
    if isinstance(seen, SegmentedSeen):
        work.append(SeenLoader(seen, floors.database).run)
    return Background("housekeeping", *work)


def _instance(settings: Settings) -> str:
    """What this copy of the project is called among those that share the database."""
    return f"{socket.gethostname()}:{settings.directory}"


def _surroundings(settings: Settings) -> Surroundings:
    return Surroundings(
        directory=settings.directory,
        limit=settings.limits.event_size,
        replay_window=settings.events.replay_window // _MICROSECOND,
    )

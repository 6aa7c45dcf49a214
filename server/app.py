"""The composition root: the only place that constructs across floors.

It reads top to bottom as the service starts, and is stopped from the bottom to the top: the
HTTP face closes first, so that nothing new comes in; what is under way is drained by the
services below it; the journal commits what still waits; last the database is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from base.database import Address, Database
from base.metrics import Metrics
from base.services import ServiceGroup
from base.settings import Settings
from events.evaluation import NoRules
from events.journal import Journal
from events.retention import (
    Retention,
    Sweep,
    delete_deliveries,
    delete_events,
    delete_replays,
    forget_seen,
)
from events.seen import Seen, SegmentedSeen
from events.seen_loader import SeenLoader
from events.store import open_seen, open_writer
from events.webhooks.hook import Surroundings
from server.api.events import EventsApi
from server.api.health import HealthApi
from server.api.hooks import HooksApi
from server.api.stream import StreamApi
from server.api.webhooks import WebhooksApi
from server.body import Bodies
from server.gate import Gate
from server.hooks import Hooks
from server.http import Http
from server.refusals import Refusals
from server.remote import Proxies
from server.router import Router
from server.storage import Background, Storage
from server.stream import LiveStream

MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class App:
    """The service, composed and not started yet."""

    settings: Settings
    services: ServiceGroup
    http: Http
    journal: Journal
    database: Database

    @property
    def url(self) -> str:
        return self.http.url

    def story(self) -> list[tuple[str, str]]:
        """What there is to know at the start: names and values for people."""
        return [("at", self.url), ("database", str(self.database.address))]


@asynccontextmanager
async def composed(settings: Settings) -> AsyncIterator[App]:
    """The whole service around an open database, which is closed at the end.

    Raises ConfigurationError or ConflictError where it cannot be: no such directory, a database
    that is newer, locked or out of reach.
    """
    async with AsyncExitStack() as stack:
        metrics = Metrics(process=True)
        database = Database(Address.parse(settings.database))
        await database.open()
        stack.push_async_callback(database.close)
        seen = await open_seen(database)
        writer = open_writer(database)
        journal = Journal(writer, seen, NoRules(), intake_bytes=settings.limits.intake_bytes)
        hooks = Hooks(settings.directory / "sources", _surroundings(settings))
        await hooks.load()

        storage = Storage(journal, writer, metrics)
        work = [Retention(journal, _sweeps(settings, seen)).run]
        if isinstance(seen, SegmentedSeen):
            work.append(SeenLoader(seen, database).run)
        housekeeping = Background("housekeeping", *work)
        refusals = Refusals(journal)
        stream = LiveStream(journal, database)

        page = settings.limits.page
        proxies = Proxies(settings.trusted_proxies)
        checks = {"database": lambda: None if journal.available else "out of reach"}
        apis = (
            EventsApi(journal, database, seen, metrics, page=page),
            StreamApi(stream, metrics),
            HooksApi(
                hooks,
                journal=journal,
                database=database,
                refusals=refusals,
                proxies=proxies,
                metrics=metrics,
            ),
            WebhooksApi(hooks, database, lambda: http.url, page=page),
            HealthApi(metrics, checks),
        )
        http = Http(
            Router(route for api in apis for route in api.routes()),
            Gate(loopback=settings.loopback, names=settings.hosts),
            Bodies(settings.limits.event_size),
            address=(settings.host, settings.port),
            seconds=metrics.http_request_seconds,
        )
        http.on_stop = stream.end
        services = ServiceGroup(
            [storage, housekeeping, refusals, stream, http], grace=settings.shutdown
        )
        yield App(settings, services, http, journal, database)


def _surroundings(settings: Settings) -> Surroundings:
    return Surroundings(
        directory=settings.directory,
        limit=settings.limits.event_size,
        replay_window=settings.events.replay_window // MICROSECOND,
    )


def _sweeps(settings: Settings, seen: Seen) -> list[Sweep]:
    """What is forgotten, and after how long."""
    keep = settings.retention
    return [
        Sweep("events", keep.events, delete_events),
        Sweep("deliveries", keep.deliveries, delete_deliveries),
        Sweep("replays", timedelta(days=1), delete_replays),  # no hook's window is longer
        Sweep("seen", settings.events.dedupe_for, forget_seen(seen)),
    ]


async def serve(settings: Settings, on_ready: Callable[[App], None]) -> None:
    """Serve until a signal or the death of a part."""
    async with composed(settings) as app:
        await app.services.serve(lambda: on_ready(app))

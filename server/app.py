"""The composition root: the only place that constructs across floors.

It reads top to bottom as the service starts, and is stopped from the bottom to the top: the
HTTP face closes first, so that nothing new comes in; what is under way is drained by the
services below it; the journal commits what still waits; last the database is closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from base.database import Address, Database
from base.metrics import Metrics
from base.services import ServiceGroup
from base.settings import Settings
from events.evaluation import NoRules
from events.journal import Journal
from events.store import open_seen, open_writer
from server.api.events import EventsApi
from server.api.health import HealthApi
from server.api.stream import StreamApi
from server.body import Bodies
from server.gate import Gate
from server.http import Http
from server.router import Router
from server.storage import Storage
from server.stream import LiveStream


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
        storage = Storage(journal, writer, metrics)
        stream = LiveStream(journal, database)
        checks = {"database": lambda: None if journal.available else "out of reach"}
        router = Router(
            [
                *EventsApi(journal, database, seen, metrics, page=settings.limits.page).routes(),
                *StreamApi(stream, metrics).routes(),
                *HealthApi(metrics, checks).routes(),
            ]
        )
        http = Http(
            router,
            Gate(loopback=settings.loopback),
            Bodies(settings.limits.event_size),
            address=(settings.host, settings.port),
            seconds=metrics.http_request_seconds,
        )
        http.on_stop = stream.end
        services = ServiceGroup([storage, stream, http], grace=settings.shutdown)
        yield App(settings, services, http, journal, database)


async def serve(settings: Settings, on_ready: Callable[[App], None]) -> None:
    """Serve until a signal or the death of a part."""
    async with composed(settings) as app:
        await app.services.serve(lambda: on_ready(app))

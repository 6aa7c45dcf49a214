"""The face: every route of the API, over what the floors offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from server.api.automations import AutomationsApi
from server.api.backtest import BacktestApi
from server.api.checks import ChecksApi
from server.api.dead import DeadApi
from server.api.events import EventsApi
from server.api.explain import ExplainApi
from server.api.fields import FieldsApi
from server.api.flows import FlowsApi
from server.api.health import Check, HealthApi
from server.api.hooks import HooksApi
from server.api.plan import PlanApi
from server.api.runs import RunsApi
from server.api.stream import StreamApi
from server.api.webhooks import WebhooksApi
from server.api.windows import WindowsApi
from server.api.workers import WorkersApi
from server.drafts import Laboratory
from server.floors import Floors
from server.flow_shape import shape
from server.lookup import Lookup
from server.refusals import Refusals
from server.remembering import limits as remembering_limits
from server.remote import Proxies
from server.route import Route
from server.stream import LiveStream


def routes(
    floors: Floors, refusals: Refusals, stream: LiveStream, url: Callable[[], str]
) -> Iterator[Route]:
    """The whole API."""
    database, journal, metrics = floors.database, floors.journal, floors.metrics
    limits = floors.settings.limits
    page = limits.page
    hooks_api = HooksApi(
        floors.hooks,
        journal=journal,
        database=database,
        refusals=refusals,
        proxies=Proxies(floors.settings.trusted_proxies),
        metrics=metrics,
    )
    lookup = Lookup(database, floors.seen)
    yield from EventsApi(
        journal,
        lookup,
        metrics,
        page=page,
        limit=limits.event_size,
        batch=limits.batch_events,
    ).routes()
    yield from AutomationsApi(
        database, floors.rulebook, floors.occasions, lookup, page=page
    ).routes()
    yield from _laboratory(floors, lookup)
    yield from FlowsApi(database, floors.engine.control, page=page).routes()
    yield from RunsApi(database, floors.engine.control, page=page).routes()
    yield from WorkersApi(database).routes()
    yield from DeadApi(database, floors.dispatcher.replay, page=page).routes()
    yield from StreamApi(stream, metrics).routes()
    yield from hooks_api.routes()
    yield from WebhooksApi(floors.hooks, database, url, page=page).routes()
    yield from HealthApi(metrics, _checks(floors)).routes()


def _laboratory(floors: Floors, lookup: Lookup) -> Iterator[Route]:
    """What is asked of rules: why they did what they did, and what drafts of them would do."""
    database, rules, variables = floors.database, floors.rules, floors.settings.vars
    laboratory = Laboratory(remembering_limits(floors.settings))
    yield from ExplainApi(database, rules, lookup).routes()
    yield from WindowsApi(database, rules, page=floors.settings.limits.page).routes()
    yield from BacktestApi(database, rules, laboratory, variables=variables).routes()
    yield from PlanApi(database, rules, floors.rulebook, laboratory, variables=variables).routes()
    yield from FieldsApi(database, laboratory).routes()
    registry = floors.engine.registry
    yield from ChecksApi(
        database,
        laboratory,
        flows=lambda: {n: shape(flow.signature.schema) for n, flow in registry.flows.items()},
        channels=floors.settings.channels,
        variables=variables,
    ).routes()


def _checks(floors: Floors) -> dict[str, Check]:
    """What has to be there for the service to be ready, beside its parts being started."""
    launcher, registry = floors.engine.launcher, floors.engine.registry
    flows = floors.settings.directory / "flows"

    def launching() -> str | None:
        if launcher.up.is_set() or not flows.is_dir():
            return None
        return launcher.problem or "its fork server is starting"

    def looked() -> str | None:
        return registry.problem if registry.looked else "they are being looked for"

    return {
        "database": lambda: None if floors.journal.available else "out of reach",
        "launcher": launching,
        "flows": looked,
        "clock": lambda: floors.skew.problem if floors.skew else None,
    }

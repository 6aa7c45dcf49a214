"""Brings runs into being, inside the transaction of whatever asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from automations.starting import Refusal, RunRequest, Started
from base.time import Micros
from engine import store
from engine.flow import Signature, flow_name, meant, sentence
from engine.run import DEFAULT_POOL, Run
from engine.state import begin
from events.event import Event
from events.tx import Tx


@dataclass(frozen=True, slots=True)
class _Startable:
    """What a run takes from its flow when it comes to be."""

    name: str
    signature: Signature
    tags: tuple[str, ...]
    retries: int
    retry_delays: tuple[Micros, ...]


class RunStarter:
    """Meets the automations' call upwards; the API's own runs come the same way.

    A run is scheduled also when its flow is paused or broken: it waits. It is refused when no
    such flow was ever found, or when the names of the parameters do not fit.
    """

    async def start(self, tx: Tx, requests: Sequence[RunRequest]) -> Started:
        flows = await _flows(tx, {flow_name(request.flow) for request in requests})
        existing = await store.get(tx, [request.id for request in requests])
        keyed = await store.by_idempotency_key(
            tx, [(flow_name(r.flow), r.idempotency_key) for r in requests if r.idempotency_key]
        )
        outcomes: list[str | Refusal] = []
        fresh: dict[str, Run] = {}
        events: list[Event] = []
        for request in requests:
            name = flow_name(request.flow)
            key = (name, request.idempotency_key or "")
            if key in keyed or request.id in existing or request.id in fresh:
                outcomes.append(keyed.get(key, request.id))
                continue
            flow = flows.get(name)
            run = await _unknown(tx, name) if flow is None else _run(request, flow, tx.now)
            if isinstance(run, Refusal):
                outcomes.append(run)
                continue
            step = begin(run, tx.now)
            fresh[run.id] = step.run
            events.append(step.event)
            outcomes.append(run.id)
            if request.idempotency_key:
                keyed[key] = run.id
        await store.insert(tx, list(fresh.values()))
        return Started(events, outcomes)


def _run(request: RunRequest, flow: _Startable, now: Micros) -> Run | Refusal:
    if faults := flow.signature.faults(request.parameters):
        return Refusal("parameters_invalid", sentence(flow.name, faults))
    return Run(
        id=request.id,
        flow=flow.name,
        due=now + request.delay,
        scheduled=now,
        parameters=orjson.dumps(request.parameters).decode(),
        tags=tuple(dict.fromkeys((*flow.tags, *request.tags))),
        pool=request.pool or DEFAULT_POOL,
        retries=flow.retries,
        retry_delays=flow.retry_delays,
        automation=request.automation or None,
        firing=request.firing or None,
        action=request.action or None,
        idempotency_key=request.idempotency_key,
        correlationid=request.correlationid,
        depth=request.depth,
        last_event=request.causationid,
    )


async def _flows(tx: Tx, names: set[str]) -> Mapping[str, _Startable]:
    rows = await tx.fetch(
        "SELECT name, signature, tags, retries, retry_delays FROM flow "
        f"WHERE name {tx.any(1, 'text')}",
        sorted(names),
    )
    return {
        name: _Startable(
            name,
            Signature.from_json(signature),
            tuple(orjson.loads(tags)),
            retries,
            tuple(orjson.loads(delays)),
        )
        for name, signature, tags, retries, delays in rows
    }


async def _unknown(tx: Tx, name: str) -> Refusal:
    known = [row[0] for row in await tx.fetch("SELECT name FROM flow ORDER BY name LIMIT 1000")]
    return Refusal("flow_unknown", f"there is no flow {name}{meant(name, known)}")

from __future__ import annotations

import asyncio
import contextlib
from email.utils import formatdate
from random import Random

import orjson
import pytest
from aiohttp import web

from automations import outbox, queries
from automations.dispatcher import MARGIN, SLOTS, Dispatcher
from automations.target import Allowed
from base.metrics import Metrics
from base.time import SECOND, now
from events.change import Change, Lane

DAY = 86_400 * SECOND


class Receiver:
    """A server that answers what the test says, and remembers what came."""

    def __init__(self):
        self.requests = []
        self.answers = []
        self.held = asyncio.Event()
        self.held.set()
        self.url = ""

    async def handle(self, request):
        self.requests.append((request, await request.read()))
        await self.held.wait()
        return self.answers.pop(0) if self.answers else web.Response(text="thanks")


@contextlib.asynccontextmanager
async def receiving():
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    receiver.held.set()
    await runner.cleanup()


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


class Clock:
    def __init__(self):
        self.at = now()

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def world(database, open_world, clock):
    async with open_world(database, clock=clock) as world:
        yield world


@pytest.fixture
def dispatching(world, clock):
    def make(allowed=("127.0.0.1",), **options):
        dispatcher = Dispatcher(
            world.journal,
            Metrics(),
            allowed=Allowed.parse(allowed),
            clock=clock,
            rng=Random(1),
            **options,
        )
        world.recorder.on_queued = dispatcher.wake
        return dispatcher

    return make


async def calls(world, url, **fields):
    await world.apply(
        {
            "name": "caller",
            "trigger": {"event": "order.created"},
            "actions": [{"call": url, **fields}],
        }
    )


def any_row(_id, _attempts, _due, _code, _result):
    return True


async def until(world, status, count=1, such_as=any_row):
    """Wait until so many actions have this status and are such; the last of them."""
    async with asyncio.timeout(20):
        while True:
            rows = await world.rows(
                "SELECT id, attempts, due, code, result FROM action WHERE status = :status",
                status=status,
            )
            found = [row for row in rows if such_as(*row)]
            if len(found) >= count:
                return found[-1]
            await asyncio.sleep(0.01)


def failed_with(wanted):
    return lambda _id, _attempts, _due, code, _result: code == wanted


async def told(world, type_):
    async with asyncio.timeout(20):
        while not world.told(type_):  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)
    return world.told(type_)[-1]


async def test_a_call_is_sent_as_it_was_rendered(world, receiver, dispatching, event):
    await calls(
        world,
        receiver.url + "/orders/${event.data.id}",
        headers={"X-Order": "${event.data.id}"},
        body={"order": "${event.data}"},
    )
    async with dispatching():
        order = event(data={"id": "a1"})
        await world.send(order)
        action, attempts, _, _, result = await until(world, "done")
    ((request, body),) = receiver.requests
    assert (request.method, request.path) == ("POST", "/orders/a1")
    assert orjson.loads(body) == {"order": {"id": "a1"}}
    assert request.headers["X-Order"] == "a1"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == request.headers["webhook-id"] == action
    assert attempts == 1
    assert orjson.loads(result)["body"] == "thanks"
    succeeded = await told(world, "ensue.action.succeeded")
    assert succeeded.data["status"] == 200
    assert (succeeded.causationid, succeeded.depth) == (order.id, 1)
    assert succeeded.correlationid == order.correlationid


async def test_a_flaky_target_gets_the_same_key_until_it_answers(
    world, receiver, dispatching, event, clock
):
    receiver.answers = [web.Response(status=503), web.Response(status=500), web.Response()]
    await calls(world, receiver.url)
    async with dispatching() as dispatcher:
        await world.send(event())
        for attempt in (1, 2):
            wanted = failed_with(f"status_{(503, 500)[attempt - 1]}")
            _, attempts, due, *_ = await until(world, "waiting", such_as=wanted)
            assert attempts == attempt
            assert clock.at <= due <= clock.at + SECOND * 2 ** (attempt - 1)
            clock.at = due
            dispatcher.wake()
        action, attempts, *_ = await until(world, "done")
    assert attempts == 3
    keys = {request.headers["Idempotency-Key"] for request, _ in receiver.requests}
    assert keys == {action}


@pytest.mark.parametrize("spelling", ["seconds", "date"])
async def test_a_target_that_says_when_to_come_back_is_heard(
    world, receiver, dispatching, event, clock, spelling
):
    clock.at -= clock.at % SECOND
    later = clock.at + 600 * SECOND
    text = "600" if spelling == "seconds" else formatdate(later // SECOND, usegmt=True)
    receiver.answers = [web.Response(status=429, headers={"Retry-After": text})]
    await calls(world, receiver.url)
    async with dispatching():
        await world.send(event())
        found = await until(world, "waiting", such_as=failed_with("status_429"))
        assert found[2] == later


async def test_an_answer_that_would_be_the_same_again_is_final_and_replayable(
    world, receiver, dispatching, event
):
    receiver.answers = [web.Response(status=422, text="no such order")]
    await calls(world, receiver.url)
    async with dispatching() as dispatcher:
        await world.send(event())
        action, _, _, code, result = await until(world, "dead")
        assert code == "status_422"
        assert orjson.loads(result)["body"] == "no such order"
        gone = await told(world, "ensue.action.dead")
        assert gone.data["action"] == action
        async with world.database.reader() as session:
            assert [one.id for one in await queries.dead(session)] == [action]
        assert await dispatcher.replay([action, "nothing"]) == [action]
        assert await until(world, "done")
    first, second = (request.headers["Idempotency-Key"] for request, _ in receiver.requests)
    assert first == second == action


async def test_after_a_day_of_failure_an_action_is_dead(world, receiver, dispatching, event, clock):
    receiver.answers = [web.Response(status=500), web.Response(status=500)]
    await calls(world, receiver.url)
    async with dispatching() as dispatcher:
        await world.send(event())
        await until(world, "waiting", such_as=failed_with("status_500"))
        clock.at += DAY + SECOND
        dispatcher.wake()
        _, attempts, _, code, _ = await until(world, "dead")
    assert (attempts, code) == (2, "status_500")


async def test_a_redirect_is_not_followed(world, receiver, dispatching, event):
    receiver.answers = [web.Response(status=307, headers={"Location": receiver.url + "/other"})]
    await calls(world, receiver.url)
    async with dispatching():
        await world.send(event())
        assert (await until(world, "dead"))[3] == "status_307"
    assert len(receiver.requests) == 1


async def test_only_what_is_expected_is_a_success(world, receiver, dispatching, event):
    receiver.answers = [web.Response(status=200)]
    await calls(world, receiver.url, expect=[202])
    async with dispatching():
        await world.send(event())
        assert (await until(world, "dead"))[3] == "status_200"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0"]
)
async def test_a_private_address_is_not_connected_to_however_it_is_spelled(
    world, receiver, dispatching, event, host
):
    port = receiver.url.rpartition(":")[2]
    await calls(world, f"http://{host}:{port}/")
    async with dispatching(allowed=()):
        await world.send(event())
        assert (await until(world, "dead"))[3] in {"address_forbidden", "url_invalid"}
    assert not receiver.requests


async def test_a_host_that_is_allowed_by_name_is_called(world, receiver, dispatching, event):
    await calls(world, receiver.url.replace("127.0.0.1", "localhost"))
    async with dispatching(allowed=["localhost"]):
        await world.send(event())
        assert await until(world, "done")


async def test_nobody_listening_is_tried_again(world, dispatching, event):
    async with receiving() as gone:
        url = gone.url
    await calls(world, url)
    async with dispatching():
        await world.send(event())
        assert await until(world, "waiting", such_as=failed_with("connection_failed"))


async def test_no_answer_in_time_is_tried_again(world, receiver, dispatching, event):
    receiver.held.clear()
    await calls(world, receiver.url, timeout="50ms")
    async with dispatching():
        await world.send(event())
        assert await until(world, "waiting", such_as=failed_with("timeout"))


async def test_a_target_that_hangs_does_not_hold_up_the_others(world, receiver, dispatching, event):
    async with receiving() as stuck:
        stuck.held.clear()
        await world.apply(
            *(
                {
                    "name": name,
                    "trigger": {"event": name},
                    "actions": [{"call": url, "timeout": "30s"}],
                }
                for name, url in (("stuck", stuck.url), ("well", receiver.url))
            )
        )
        async with dispatching():
            await world.send(*(event("stuck") for _ in range(100)))
            await world.send(*(event("well") for _ in range(30)))
            await until(world, "done", 30)
            assert len(stuck.requests) == SLOTS
            stuck.held.set()
            await until(world, "done", 130)


async def test_an_endless_answer_is_cut(world, receiver, dispatching, event):
    receiver.answers = [web.Response(body=b"x" * (1 << 20))]
    await calls(world, receiver.url)
    async with dispatching():
        await world.send(event())
        result = orjson.loads((await until(world, "done"))[4])
    assert result["body"] == "x" * 4096


async def test_a_secret_is_read_when_it_is_sent_and_stored_nowhere(
    world, receiver, dispatching, event, monkeypatch
):
    monkeypatch.setenv("CALL_TOKEN", "canary-1")
    await calls(
        world, receiver.url, headers={"Authorization": {"env": "CALL_TOKEN", "prefix": "Bearer "}}
    )
    async with dispatching():
        await world.send(event())
        await until(world, "done")
    assert receiver.requests[0][0].headers["Authorization"] == "Bearer canary-1"
    for table, column in (("action", "request"), ("action", "result"), ("event", "data")):
        for (value,) in await world.rows(f"SELECT {column} FROM {table}"):
            assert "canary-1" not in str(value)


async def test_a_secret_that_would_break_the_request_is_refused(
    world, receiver, dispatching, event, monkeypatch
):
    monkeypatch.setenv("CALL_TOKEN", "a\r\nX-Evil: 1")
    await calls(world, receiver.url, headers={"X-Key": {"env": "CALL_TOKEN"}})
    async with dispatching():
        await world.send(event())
        assert (await until(world, "dead"))[3] == "header_invalid"
    assert not receiver.requests


async def claim(world, limit=10):
    claimed = []

    async def operation(tx):
        ((target,),) = await tx.fetch("SELECT DISTINCT target FROM action")
        claimed[:] = await outbox.claim(tx, target, limit, MARGIN)
        return ()

    await world.journal.submit(Change(operation=operation, lane=Lane.SERVICE))
    return claimed


async def test_what_a_dead_sender_had_is_sent_when_its_lease_ends(
    world, receiver, dispatching, event, clock
):
    await calls(world, receiver.url)
    await world.send(event())
    (lost,) = await claim(world)
    assert await claim(world) == []
    async with dispatching() as dispatcher:
        dispatcher.wake()
        clock.at = lost.lease
        dispatcher.wake()
        _, attempts, *_ = await until(world, "done")
    assert attempts == 2


@pytest.mark.parametrize(("given", "seconds"), [({}, 10), ({"timeout": "2s"}, 2)])
async def test_a_lease_lasts_as_long_as_the_call_may_take(
    world, receiver, event, clock, given, seconds
):
    await calls(world, receiver.url, **given)
    await world.send(event())
    (claimed,) = await claim(world)
    assert claimed.lease == clock() + seconds * SECOND + MARGIN


async def test_a_server_that_is_alone_does_not_wait_for_leases(world, receiver, dispatching, event):
    await calls(world, receiver.url)
    await world.send(event())
    await claim(world)
    async with dispatching(alone=True):
        assert await until(world, "done")


async def test_a_sender_that_lost_its_lease_writes_nothing(world, receiver, event, clock):
    await calls(world, receiver.url)
    await world.send(event())
    (late,) = await claim(world)
    clock.at = late.lease
    (owner,) = await claim(world)
    wrote = []

    async def operation(tx):
        wrote[:] = [
            await outbox.fail(tx, late, code="x", message="x", result=None),
            await outbox.succeed(tx, owner, {}),
            await outbox.retry(tx, owner, 1, code="x", message="x", result=None),
        ]
        return ()

    await world.journal.submit(Change(operation=operation, lane=Lane.SERVICE))
    assert wrote == [False, True, False]


async def test_a_stop_lets_what_is_under_way_finish(world, receiver, dispatching, event):
    receiver.held.clear()
    await calls(world, receiver.url)
    dispatcher = dispatching()
    await dispatcher.start()
    await world.send(event())
    async with asyncio.timeout(20):
        while not receiver.requests:  # noqa: ASYNC110 - the receiver has no event for it
            await asyncio.sleep(0.01)
    stopping = asyncio.ensure_future(dispatcher.stop())
    await dispatcher.stopping.wait()
    receiver.held.set()
    await stopping
    assert await until(world, "done")

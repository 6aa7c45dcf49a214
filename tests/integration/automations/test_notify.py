"""Notifications: through the outbox, by the real library, to a real HTTP and a real SMTP server."""

from __future__ import annotations

import asyncio
import contextlib
import email
import logging
import socket
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import orjson
import pytest
from aiohttp import web
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import SMTP

from automations import apprise_sender, queries
from automations.apprise_sender import send
from automations.dispatcher import Dispatcher
from automations.target import Allowed
from base.channel import parse_channels
from base.metrics import Metrics
from base.time import SECOND, now

ROOT = Path(__file__).resolve().parents[3]


class Receiver:
    """A server that answers what the test says, and remembers what came."""

    def __init__(self):
        self.came = []
        self.answers = []
        self.host = ""

    async def handle(self, request):
        self.came.append((request.path, await request.json()))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def receiver():
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


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


CHANNELS = parse_channels(
    {
        "team": {"url": {"env": "ENSUE_TEST_TEAM"}},
        "oncall": {
            "urls": [
                {"env": "ENSUE_TEST_DAY", "tags": ["day"]},
                {"env": "ENSUE_TEST_NIGHT", "tags": ["night"]},
            ]
        },
    }
)


@pytest.fixture
def dispatching(world, clock):
    @contextlib.asynccontextmanager
    async def started(allowed=("127.0.0.1",)):
        dispatcher = Dispatcher(
            world.journal,
            Metrics(),
            allowed=Allowed.parse(allowed),
            channels=CHANNELS,
            clock=clock,
            rng=Random(1),
        )
        world.recorder.on_queued = dispatcher.wake
        await dispatcher.start()
        try:
            yield dispatcher
        finally:
            await dispatcher.stop()

    return started


def rule(**notify):
    action = {"notify": "team", "title": "Order ${event.data.id}", "message": "It is late."}
    return {
        "name": "tells",
        "trigger": {"event": "order.late"},
        "actions": [action | notify],
    }


async def action(world):
    async with world.database.reader() as session:
        rows = await queries.firings(session)
        return rows[0].actions[0] if rows else None


async def until(world, *statuses, **fields):
    """The action, once it is so."""
    async with asyncio.timeout(20):
        while True:
            found = await action(world)
            if (
                found is not None
                and found.status in statuses
                and all(getattr(found, name) == value for name, value in fields.items())
            ):
                return found
            await asyncio.sleep(0.01)


async def test_a_message_reaches_the_channel(world, event, receiver, dispatching, monkeypatch):
    monkeypatch.setenv("ENSUE_TEST_TEAM", f"json://{receiver.host}/hook/s3cr3t")
    await world.apply(rule())
    async with dispatching():
        await world.send(event("order.late", data={"id": "a1"}))
        done = await until(world, "done")
    ((path, body),) = receiver.came
    assert (path, body["title"], body["message"]) == ("/hook/s3cr3t", "Order a1", "It is late.")
    assert (done.kind, done.attempts, done.result) == (
        "notify",
        1,
        {"sent": ["env ENSUE_TEST_TEAM"]},
    )
    (told,) = world.told("ensue.action.succeeded")
    assert (told.data["kind"], told.data["target"]) == ("notify", "notify:team")


async def test_a_url_may_be_named_by_the_rule(world, event, receiver, dispatching, monkeypatch):
    monkeypatch.setenv("ENSUE_TEST_URL", f"form://{receiver.host}/f")
    await world.apply(rule(notify={"env": "ENSUE_TEST_URL"}, message="${event.data}"))
    async with dispatching():
        await world.send(event("order.late", data={"id": "a1"}))
        failed = await until(world, "waiting", attempts=1)  # a form is no JSON to the receiver
    assert failed.code == "status_500"


async def test_what_is_not_taken_is_tried_again_and_what_is_refused_is_dead(
    world, event, receiver, dispatching, clock, monkeypatch
):
    monkeypatch.setenv("ENSUE_TEST_TEAM", f"json://{receiver.host}/s3cr3t")
    receiver.answers = [503, 429, 403]
    await world.apply(rule())
    async with dispatching() as dispatcher:
        await world.send(event("order.late", data={"id": "a1"}))
        for attempt, code in ((1, "status_503"), (2, "status_429")):
            await until(world, "waiting", attempts=attempt, code=code)
            clock.at += 3_600 * SECOND
            dispatcher.wake()
        dead = await until(world, "dead")
        assert (dead.attempts, dead.code) == (3, "status_403")
        assert dead.message == "json answered with 403"
        await dispatcher.replay([dead.id])
        await until(world, "done")
    assert len(receiver.came) == 4
    (told,) = world.told("ensue.action.dead")
    assert (told.data["status"], told.data["code"]) == (403, "status_403")


async def test_only_those_that_did_not_take_it_are_asked_again(
    world, event, receiver, dispatching, clock, monkeypatch
):
    for name in ("DAY", "NIGHT"):
        monkeypatch.setenv(f"ENSUE_TEST_{name}", f"json://{receiver.host}/{name.lower()}")
    receiver.answers = [200, 503]
    await world.apply(rule(notify="oncall"))
    async with dispatching() as dispatcher:
        await world.send(event("order.late", data={"id": "a1"}))
        waiting = await until(world, "waiting", attempts=1)
        assert waiting.result == {"sent": ["env ENSUE_TEST_DAY"]}
        clock.at += 3_600 * SECOND
        dispatcher.wake()
        await until(world, "done")
    assert [path for path, _ in receiver.came] == ["/day", "/night", "/night"]


async def test_tags_choose_among_the_addresses(world, event, receiver, dispatching, monkeypatch):
    for name in ("DAY", "NIGHT"):
        monkeypatch.setenv(f"ENSUE_TEST_{name}", f"json://{receiver.host}/{name.lower()}")
    await world.apply(rule(notify="oncall", tags="${event.data.shift}"))
    async with dispatching():
        await world.send(event("order.late", data={"id": "a1", "shift": "night"}))
        await until(world, "done")
    assert [path for path, _ in receiver.came] == ["/night"]


@pytest.mark.parametrize(
    ("notify", "url", "code"),
    [
        ({"notify": "nobody"}, "", "channel_unknown"),
        ({"notify": "oncall", "tags": ["noon"]}, "", "channel_empty"),
        ({}, "file:///tmp/s3cr3t", "channel_scheme"),
        ({}, "dbus://s3cr3t", "channel_scheme"),
        ({}, "syslog://s3cr3t", "channel_scheme"),
        ({}, "nothing s3cr3t", "channel_scheme"),
        ({}, "slack://s3cr3t", "channel_invalid"),
    ],
)
async def test_what_nobody_can_send_is_dead_at_once_and_tells_no_secret(
    notify, url, code, world, event, dispatching, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ENSUE_TEST_TEAM", url)
    await world.apply(rule(**notify))
    async with dispatching():
        await world.send(event("order.late", data={"id": "a1"}))
        dead = await until(world, "dead")
    assert (dead.attempts, dead.code) == (1, code)
    shown = caplog.text + repr(dead) + repr([one.event.data for one in world.stored])
    assert "s3cr3t" not in shown


async def test_a_secret_that_is_missing_is_waited_for(world, event, dispatching, monkeypatch):
    monkeypatch.delenv("ENSUE_TEST_TEAM", raising=False)
    await world.apply(rule())
    async with dispatching():
        await world.send(event("order.late", data={"id": "a1"}))
        waiting = await until(world, "waiting", attempts=1)
    assert waiting.code == "secret_missing"


@pytest.mark.parametrize(
    ("scheme", "host"),
    [
        *(
            (scheme, host)
            for scheme in ("json", "xml", "form")
            for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]")
        ),
        ("ntfy", "127.0.0.1"),
        ("mailto", "127.0.0.1"),
        ("mailto", "localhost"),
    ],
)
async def test_no_connection_is_made_to_an_address_that_is_not_public(scheme, host, receiver):
    port = receiver.host.partition(":")[2]
    url = f"{scheme}://{host}:{port}/s3cr3t"
    if scheme == "mailto":
        url = f"mailto://u:p@{host}:{port}?from=a@example.com&to=b@example.com&mode=insecure"
    refused = await asyncio.to_thread(send, url, "t", "m", Allowed())
    assert refused is not None
    assert refused.code in {"address_forbidden", "channel_invalid"}
    assert refused.hopeless
    assert receiver.came == []


async def test_a_redirect_is_an_answer_and_no_order(receiver):
    receiver.answers = [307]
    url = f"json://{receiver.host}/"
    refused = await asyncio.to_thread(send, url, "t", "m", Allowed.parse(["127.0.0.1"]))
    assert refused is not None
    assert (refused.code, refused.is_final) == ("status_307", True)


async def test_what_holds_for_a_message_holds_in_its_thread_alone(receiver):
    """While one is on its way, which may go nowhere, another may, and so may everybody else."""
    held = asyncio.Event()
    loop = asyncio.get_running_loop()
    release = threading.Event()
    name = "held.invalid"

    def hold(host, *args, **more):
        if host == name:
            loop.call_soon_threadsafe(held.set)
            release.wait(20)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]
        return ask(host, *args, **more)

    ask, apprise_sender._ask = apprise_sender._ask, hold
    try:
        first = asyncio.create_task(asyncio.to_thread(send, f"json://{name}", "t", "m", Allowed()))
        async with asyncio.timeout(20):
            await held.wait()
        assert socket.getaddrinfo("127.0.0.1", 80)
        allowed = Allowed.parse(["127.0.0.1"])
        url = f"json://{receiver.host}/second"
        assert await asyncio.to_thread(send, url, "t", "m", allowed) is None
        release.set()
        refused = await first
    finally:
        release.set()
        apprise_sender._ask = ask
    assert refused is not None
    assert refused.code == "address_forbidden"
    assert [path for path, _ in receiver.came] == ["/second"]


class Mailbox(Message):
    """Keeps what comes by SMTP."""

    def __init__(self):
        super().__init__(email.message.Message)
        self.mails = []

    def handle_message(self, message):
        self.mails.append(message)


async def test_a_mail_is_delivered(world, event, dispatching, monkeypatch):
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv(
        "ENSUE_TEST_TEAM",
        f"mailto://127.0.0.1:{port}?from=ensue@example.com&to=team@example.com&mode=insecure",
    )
    await world.apply(rule(message="Grüße aus ${event.data.id}"))
    try:
        async with dispatching():
            await world.send(event("order.late", data={"id": "a1"}))
            await until(world, "done")
    finally:
        server.close()
        await server.wait_closed()
    (mail,) = mailbox.mails
    assert mail["To"].endswith("team@example.com") or "team@example.com" in mail["To"]
    assert str(email.header.make_header(email.header.decode_header(mail["Subject"]))) == "Order a1"
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert any("Grüße aus a1" in part.decode() for part in parts)


def test_a_server_that_notifies_nobody_does_not_load_the_library():
    code = (
        "import sys, server.app, automations.notify\n"
        "print([name for name in ('apprise', 'requests', 'smtplib', 'markdown')"
        " if name in sys.modules])"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert made.stdout == "[]\n"


def test_of_the_library_only_the_service_that_is_addressed_is_loaded():
    code = (
        "import sys\n"
        "from automations.apprise_sender import send\n"
        "from automations.target import Allowed\n"
        "assert send('json://127.0.0.1:1/', 't', 'm', Allowed()).code == 'address_forbidden'\n"
        "print(sorted(name for name in sys.modules if name.startswith('apprise.plugins.')))"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert made.stdout == "['apprise.plugins.base', 'apprise.plugins.custom_json']\n"


def test_every_service_that_may_be_addressed_is_there():
    code = (
        "import importlib, apprise\n"
        "from automations.apprise_sender import SERVICES, _class\n"
        "for scheme, module in SERVICES.items():\n"
        "    _class(importlib.import_module(f'apprise.plugins.{module}'), scheme, apprise)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr


async def test_the_request_that_is_stored_names_the_channel_and_no_url(world, event, monkeypatch):
    monkeypatch.setenv("ENSUE_TEST_TEAM", "json://example.com/s3cr3t")
    await world.apply(rule())
    await world.send(event("order.late", data={"id": "a1"}))
    ((request,),) = await world.rows("SELECT request FROM action")
    assert orjson.loads(request) == {
        "to": "team",
        "title": "Order a1",
        "message": "It is late.",
        "tags": [],
    }

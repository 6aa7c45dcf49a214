import shutil
import ssl
import subprocess

import pytest
from aiohttp import web

from automations.call import Response, Sender, Unsent
from automations.call_action import Call
from automations.target import Allowed
from base.time import SECOND, now

MAKE = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=localhost",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
]

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="it takes the openssl command")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [*MAKE, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


@pytest.fixture
async def url(files):
    async def thank(_):
        return web.Response(text="thanks")

    key, certificate = files
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_post("/", thank)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def call(url):
    async with Sender(Allowed.parse(["127.0.0.1"])) as sender:
        return await sender.send("a.0", Call("POST", url, (), b"{}", 10 * SECOND, ()), now())


async def test_a_call_reaches_whom_this_machine_trusts(url, files, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(files[1]))
    answer = await call(url)
    assert isinstance(answer, Response)
    assert answer.body == "thanks"


async def test_a_call_does_not_reach_whom_nobody_vouches_for(url):
    answer = await call(url)
    assert isinstance(answer, Unsent)
    assert answer.code == "connection_failed"

"""Workers over the API: who runs the flows, and how busy they are."""

from __future__ import annotations

import os

FLOW = """
import time
from ensue import flow


@flow
def sleeps():
    time.sleep(600)
"""


async def test_a_worker_is_listed_with_how_many_runs_it_has(served):
    async with served({"flows/sleep.py": FLOW}, runs__concurrency=3) as client:
        await client.flows_found()
        (idle,) = (await client.get("/api/workers"))["items"]
        assert (idle["state"], idle["active"], idle["slots"]) == ("online", 0, 3)
        assert (idle["pid"], idle["pool"]) == (os.getpid(), "default")
        run = await client.run("sleeps")
        await client.until(f"/api/runs/{run}", lambda one: one["state"] == "running")
        (busy,) = (await client.get("/api/workers"))["items"]
        assert (busy["id"], busy["active"]) == (idle["id"], 1)
        await client.post(f"/api/runs/{run}/cancel")
        await client.ended(run)
        (idle,) = (await client.get("/api/workers"))["items"]
        assert idle["active"] == 0

"""A flow that does nothing. A process that waits for its run goes through it once.

Memory of the fork server is copied when it is first touched; what a run touches has been
touched by then, and the run's own first line comes some milliseconds earlier.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ensue.flows import flow


@flow
def rehearsal(text: str = "", number: int = 0) -> dict[str, str]:
    """Takes and gives what flows mostly do."""
    return {text: str(number)}


def rehearse() -> None:
    """Import a flow from a file, run it and report to nobody; leaves libraries and warm memory."""
    from ensue.context import RunContext
    from ensue.execution import run_flow
    from ensue.loading import load_flow

    path, here = sys.path[:], Path(__file__)
    try:
        found = load_flow(here, "rehearsal")
        run = RunContext(id="rehearsal", name="rehearsal", flow_name="rehearsal")
        run_flow(found, {"number": "1"}, run, _Nobody())
    finally:
        sys.path[:] = path
        # Only this file goes again. What came along with it, pydantic's search for plugins
        # say, is what every run would load for itself otherwise.
        sys.modules.pop(here.stem, None)


class _Nobody:
    """A channel that ends here."""

    def send(self, message: dict[str, Any]) -> None:
        from ensue.channel import encode_line

        encode_line(message)

    def request(self, message: dict[str, Any], timeout: float) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        self.send(message)
        return {"ok": True}

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """There is nobody to cancel."""

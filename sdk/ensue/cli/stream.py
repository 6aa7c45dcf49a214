"""The live stream of events, as the server sends it (SSE, the WHATWG format).

A record is a position (`id:`), and a CloudEvent (`data:`). When the connection breaks the
stream is taken up again after the last position that came, so nothing is left out and
nothing comes twice; the server sends comments as heartbeats, so silence is a broken line.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ensue.cli.client import Client, UnreachableError

_PATIENCE: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts; the last one goes on for ever."""


class Stream:
    """Iterates over events as they happen, without end.

    The first connection may fail with UnreachableError; later ones are tried again, with a
    notice. Not to be shared between threads.
    """

    def __init__(
        self,
        client: Client,
        query: Mapping[str, object],
        *,
        after: int | None = None,
        notice: Callable[[str], None] = lambda _: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._query = query
        self._position = None if after is None else str(after)
        self._notice = notice
        self._wait = wait

    def __iter__(self) -> Iterator[dict[str, Any]]:
        failures, connected = 0, False
        while True:
            try:
                for position, data in self._records():
                    connected, failures = True, 0
                    if data is None:
                        continue
                    self._position = position or self._position
                    yield json.loads(data)
            except UnreachableError:
                if not connected:
                    raise
            if failures == 0:
                self._notice("The connection is gone; taking it up again.")
            self._wait(_PATIENCE[min(failures, len(_PATIENCE) - 1)])
            failures += 1

    def _records(self) -> Iterator[tuple[str | None, str | None]]:
        """(position, data) of each record; of anything else that shows life (None, None)."""
        headers = {"Accept": "text/event-stream"}
        if self._position is not None:
            headers["Last-Event-ID"] = self._position
        position: str | None = None
        data: list[str] = []
        for line in self._client.lines("/api/stream", headers=headers, **self._query):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                yield (position, "\n".join(data)) if data else (None, None)
                data = []
            elif field == "data":
                data.append(value)
            elif field == "id":
                position = value
            else:
                yield None, None

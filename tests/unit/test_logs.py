from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from base.logs import configure, logger


class Written(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def stderr() -> Iterator[Written]:
    """What is logged; the process is left as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    written = Written()
    yield written
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)


def test_an_event_is_one_line_with_its_fields(stderr: Written) -> None:
    configure("json", stream=stderr)
    logger("dispatcher").info("action_dead", action="a1", attempts=9)
    (line,) = stderr.lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "component": "dispatcher",
        "event": "action_dead",
        "action": "a1",
        "attempts": 9,
    }


def test_a_logger_made_before_the_set_up_follows_it(stderr: Written) -> None:
    early = logger("early")
    configure("json", "warning", stderr)
    early.info("quiet")
    early.warning("loud")
    assert [line["event"] for line in stderr.lines()] == ["loud"]


@pytest.mark.parametrize("name", ["secret", "api_key", "Authorization", "session_token", "cookie"])
def test_what_sounds_like_a_secret_is_not_written(stderr: Written, name: str) -> None:
    configure("json", stream=stderr)
    logger("x").info("told", **{name: "canary"})
    assert "canary" not in stderr.getvalue()
    assert stderr.lines()[0][name] == "[redacted]"


def test_libraries_log_the_same_way(stderr: Written) -> None:
    configure("json", stream=stderr)
    logging.getLogger("aiohttp.server").warning("slow by %s", 3)
    logging.getLogger("aiohttp.server").warning("odd %d", "text")
    first, second = stderr.lines()
    assert (first["component"], first["event"], first["level"]) == (
        "aiohttp.server",
        "slow by 3",
        "warning",
    )
    assert second["event"] == "odd %d"


def test_an_error_carries_its_traceback(stderr: Written) -> None:
    configure("json", stream=stderr)
    try:
        (stderr / "no room")  # type: ignore[operator]  # the error that is logged
    except TypeError:
        logger("x").exception("failed")
    assert "TypeError: unsupported operand" in stderr.lines()[0]["exception"]


def test_what_is_not_json_is_written_as_text(stderr: Written) -> None:
    configure("json", stream=stderr)
    logger("x").info("odd", value={1}, other=object)
    assert stderr.lines()[0]["value"] == "{1}"


def test_a_reader_that_has_gone_disturbs_nobody(stderr: Written) -> None:
    configure("json", stream=stderr)
    stderr.close()
    logger("x").info("nobody_hears")
    assert stderr.closed


def test_where_nobody_watches_auto_is_json(stderr: Written) -> None:
    configure("auto", stream=stderr)
    logger("x").info("hello")
    assert stderr.lines()[0]["event"] == "hello"


def test_people_get_columns(stderr: Written) -> None:
    configure("console", stream=stderr)
    logger("x").info("hello", a=1)
    assert "hello" in stderr.getvalue()
    assert "a=1" in stderr.getvalue()

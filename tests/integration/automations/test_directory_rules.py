from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from automations.directory import RuleDirectory

SOON = timedelta(milliseconds=200)
RULE = "name: {name}\ntrigger: {{event: order.created}}\nactions: [{{emit: {emits}}}]\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project" / "automations").mkdir(parents=True)
    return tmp_path / "project"


@pytest.fixture
def write(project):
    def write(file: str, text: str) -> None:
        path = project / "automations" / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return write


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.02)


def names(world) -> set[str]:
    return {live.rule.name for live in world.rules}


async def test_rules_are_in_force_when_it_is_ready(world, project, write, event):
    write("a.yaml", RULE.format(name="a", emits="order.seen"))
    async with RuleDirectory(project, world.book, instance="here"):
        await world.send(event())
        assert len(world.told("order.seen")) == 1


async def test_files_that_come_change_and_go_are_followed(world, project, write):
    write("a.yaml", RULE.format(name="a", emits="x"))
    async with RuleDirectory(project, world.book, instance="here", look_every=SOON):
        write("b.yml", RULE.format(name="b", emits="x"))
        await until(lambda: names(world) == {"a", "b"})
        write("a.yaml", RULE.format(name="a", emits="changed"))
        await until(lambda: world.rules.get("a").revision == 2)
        (project / "automations" / "b.yml").unlink()
        await until(lambda: names(world) == {"a"})


async def test_a_folder_that_is_not_there_yet_is_waited_for(world, tmp_path):
    directory = RuleDirectory(tmp_path, world.book, instance="here", look_every=SOON)
    async with directory:
        assert names(world) == set()
        (tmp_path / "automations").mkdir()
        (tmp_path / "automations" / "a.yaml").write_text(RULE.format(name="a", emits="x"))
        await until(lambda: names(world) == {"a"})


async def test_a_file_that_breaks_keeps_its_rule_and_is_told_of_once(world, project, write):
    write("a.yaml", RULE.format(name="a", emits="x"))
    directory = RuleDirectory(project, world.book, instance="here")
    await directory.refresh()
    with capture_logs() as logs:
        write("a.yaml", "name: a\ntriggr: {event: x}\n")
        await directory.refresh()
        write("b.yaml", RULE.format(name="b", emits="x"))
        await directory.refresh()
    assert names(world) == {"a", "b"}
    told = [line["problem"] for line in logs if line["event"] == "automation_invalid"]
    assert any(line.startswith("automations/a.yaml:2:1: ") for line in told)
    assert len(told) == len(set(told))
    ((file, problems),) = await world.rows("SELECT file, problems FROM automation WHERE name = 'a'")
    assert file == "automations/a.yaml"
    assert '"line":2' in problems


async def test_what_was_applied_is_not_applied_again_after_a_restart(world, project, write):
    write("a.yaml", RULE.format(name="a", emits="x"))
    await RuleDirectory(project, world.book, instance="here").refresh()
    await world.book.remove("a")
    again = await RuleDirectory(project, world.book, instance="here").refresh()
    assert again.skipped
    assert names(world) == set()


async def test_files_that_did_not_change_are_not_read(world, project, write):
    write("a.yaml", RULE.format(name="a", emits="x"))
    directory = RuleDirectory(project, world.book, instance="here")
    assert await directory.refresh()
    assert await directory.refresh() is None


async def test_a_comment_is_no_new_revision(world, project, write):
    write("a.yaml", RULE.format(name="a", emits="x"))
    directory = RuleDirectory(project, world.book, instance="here")
    await directory.refresh()
    write("a.yaml", "# new\n" + RULE.format(name="a", emits="x"))
    outcome = await directory.refresh()
    assert outcome.unchanged == ["a"]
    assert await world.rows("SELECT revision, line FROM automation") == [(1, 2)]

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from base.services import Service, ServiceDiedError, ServiceGroup, ServiceStoppedError, State

SOON = timedelta(seconds=0.05)


class Recorded(Service):
    """Writes down what happens to it; `gate` holds its opening up."""

    def __init__(self, name: str, story: list[str], *, fails: bool = False) -> None:
        super().__init__(name)
        self.story = story
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()
        self.opening = asyncio.Event()

    async def open(self) -> None:
        self.story.append(f"open {self.name}")
        self.opening.set()
        await self.gate.wait()
        if self.fails:
            raise OSError("no room")

    async def close(self) -> None:
        self.story.append(f"close {self.name}")


class Looping(Service):
    async def run(self) -> None:
        await self.stopping.wait()


class Stubborn(Service):
    """Does not heed `stopping`, and has to be cancelled."""

    cancelled = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class Dying(Service):
    def __init__(self, error: Exception | None) -> None:
        super().__init__("dying")
        self.error = error
        self.now = asyncio.Event()

    async def run(self) -> None:
        await self.now.wait()
        if self.error:
            raise self.error


async def test_services_start_in_order_and_stop_in_reverse() -> None:
    story: list[str] = []
    async with ServiceGroup([Recorded("a", story), Recorded("b", story)]) as group:
        assert group.ready
    assert story == ["open a", "open b", "close b", "close a"]


async def test_a_service_that_fails_to_start_takes_the_started_ones_down() -> None:
    story: list[str] = []
    group = ServiceGroup(
        [Recorded("a", story), Recorded("b", story, fails=True), Recorded("c", story)]
    )
    with pytest.raises(OSError, match="no room"):
        await group.start()
    assert story == ["open a", "open b", "close b", "close a"]
    assert group.waiting_for[-1] == "c"


async def test_stopping_what_never_started_and_stopping_twice_do_nothing() -> None:
    story: list[str] = []
    service = Recorded("a", story)
    await service.stop()
    await service.stop()
    assert story == []
    with pytest.raises(ServiceStoppedError):
        await service.start()
    async with Recorded("b", story) as other:
        await other.stop()
    assert story == ["open b", "close b"]


async def test_starting_twice_opens_once() -> None:
    story: list[str] = []
    service = Recorded("a", story)
    await asyncio.gather(service.start(), service.start())
    assert story == ["open a"]
    await service.stop()


async def test_a_stop_interrupts_an_opening_that_hangs() -> None:
    story: list[str] = []
    service = Recorded("a", story)
    service.gate.clear()
    starting = asyncio.ensure_future(service.start())
    await service.opening.wait()
    await service.stop()
    with pytest.raises(ServiceStoppedError):
        await starting
    assert story == ["open a", "close a"]


async def test_a_start_that_is_cancelled_gives_everything_back() -> None:
    story: list[str] = []
    service = Recorded("a", story)
    service.gate.clear()
    starting = asyncio.ensure_future(service.start())
    await service.opening.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert story == ["open a", "close a"]
    assert service.state is State.STOPPED


async def test_a_loop_that_ends_when_asked_is_no_death() -> None:
    async with Looping() as service:
        assert service.ready
    assert service.failure is None


async def test_what_does_not_end_by_the_deadline_is_cancelled() -> None:
    service = Stubborn()
    await service.start()
    await asyncio.sleep(0)
    await service.stop(SOON)
    assert service.cancelled
    assert service.failure is None


@pytest.mark.parametrize("error", [RuntimeError("disk gone"), None])
async def test_an_unexpected_end_stops_the_group_and_is_raised(error: Exception | None) -> None:
    story: list[str] = []
    dying = Dying(error)
    group = ServiceGroup([Recorded("a", story), dying])
    serving = asyncio.ensure_future(group.serve(dying.now.set))
    with pytest.raises(ServiceDiedError, match="disk gone" if error else "without being asked"):
        await serving
    assert story == ["open a", "close a"]


async def test_a_death_outside_a_group_is_raised_at_the_end_of_the_block() -> None:
    dying = Dying(RuntimeError("disk gone"))
    died = asyncio.Event()
    dying.on_death = lambda _: died.set()

    async def use() -> None:
        async with dying:
            dying.now.set()
            await died.wait()

    with pytest.raises(ServiceDiedError, match="disk gone"):
        await use()


async def test_background_work_that_raises_is_a_death() -> None:
    async def broken() -> None:
        raise ValueError("a bug")

    group = ServiceGroup()

    def begin() -> None:
        group.spawn(broken(), "broken")

    with pytest.raises(ServiceDiedError, match="a bug"):
        await group.serve(begin)


async def test_background_work_is_cancelled_by_a_stop_unless_it_drains() -> None:
    ended: list[str] = []

    async def work(name: str, gate: asyncio.Event) -> None:
        try:
            await gate.wait()
            ended.append(f"{name} done")
        except asyncio.CancelledError:
            ended.append(f"{name} cancelled")
            raise

    service = Service("s")
    gate = asyncio.Event()
    await service.start()
    service.spawn(work("a", gate), "a")
    service.spawn(work("b", gate), "b", drain=True)
    service.spawn(work("c", asyncio.Event()), "c", drain=True)
    await asyncio.sleep(0)
    stopping = asyncio.ensure_future(service.stop(SOON))
    await service.stopping.wait()
    gate.set()
    await stopping
    assert set(ended) == {"a cancelled", "b done", "c cancelled"}
    with pytest.raises(ServiceStoppedError):
        service.spawn(work("d", gate), "d")


async def test_an_error_in_one_close_does_not_spare_the_others() -> None:
    story: list[str] = []

    class Bad(Service):
        async def close(self) -> None:
            raise OSError("stuck")

    group = ServiceGroup([Recorded("a", story), Bad()])
    with pytest.raises(ServiceDiedError, match="stuck"):
        async with group:
            pass
    assert story == ["open a", "close a"]


async def test_a_pause_ends_by_time_by_waking_and_by_stopping() -> None:
    async with Service("s") as service:
        await service.pause(0.001)
        service.wake()
        await asyncio.wait_for(service.pause(60), 5)
        waiting = asyncio.ensure_future(service.pause(60))
        await asyncio.sleep(0)
        assert not waiting.done()
        await service.stop()
        await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(service.pause(60), 5)


@pytest.mark.parametrize("seed", range(40))
async def test_starts_and_stops_in_any_interleaving_leave_it_closed_once(seed: int) -> None:
    """Ten callers start and stop one service in a seeded order, at seeded moments."""
    chance = random.Random(seed)
    story: list[str] = []
    service = Recorded("a", story, fails=chance.random() < 0.2)
    service.gate.clear()

    async def caller() -> None:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        move = chance.choice(["start", "start", "stop", "open", "cancelled start"])
        if move == "open":
            service.gate.set()
        elif move == "stop":
            await service.stop(SOON)
        else:
            start = asyncio.ensure_future(service.start())
            if move == "cancelled start":
                await asyncio.sleep(0)
                start.cancel()
            await asyncio.wait([start])
            if not start.cancelled():
                assert isinstance(start.exception(), ServiceStoppedError | OSError | None)

    callers = [asyncio.ensure_future(caller()) for _ in range(10)]
    await asyncio.sleep(0)
    service.gate.set()
    await asyncio.wait_for(asyncio.gather(*callers), 10)
    await service.stop(SOON)
    assert service.state is State.STOPPED
    assert story in ([], ["open a", "close a"])
    assert not service._tasks


def test_a_service_is_in_its_group_once():
    service = Recorded("a", [])
    with pytest.raises(ValueError, match="a is in the group already"):
        ServiceGroup([service, service])

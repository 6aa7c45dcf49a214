"""A trial: what the service makes of schedules, beside what the model makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from base.database import Address
from base.time import Micros, to_rfc3339
from tests.schedules.model import Row, Rule
from tests.schedules.model_node import Heard
from tests.schedules.moves import Move, moves
from tests.schedules.schedule import Schedule
from tests.schedules.service import Service


@dataclass(frozen=True)
class Difference:
    """Where service and model disagree."""

    missing: tuple[Row, ...]
    too_many: tuple[Row, ...]
    left_out: tuple[int, int] | None

    def lines(self, schedule: Schedule) -> list[str]:
        told = [f"  the service does not have  {_told(row, schedule)}" for row in self.missing]
        told += [f"  only the service has       {_told(row, schedule)}" for row in self.too_many]
        if self.left_out:
            was, wanted = self.left_out
            told.append(f"  the service left out {was} and the model {wanted}")
        return told


def _told(row: Row, schedule: Schedule) -> str:
    at = _at(row.at, schedule)
    of = "" if row.of is None else f" (its firing: {_at(row.of, schedule)})"
    key = "" if row.key is None else f" for {row.key}"
    return f"{at}: {row.outcome}{key} on {list(row.events)} of {row.count}, acted: {row.acted}{of}"


def _at(at: Micros, schedule: Schedule) -> str:
    number = (at - schedule.clock(0)) / (schedule.unit * 1_000_000)
    return f"at {number:g} ({to_rfc3339(at)[11:19]})"


def wanted(
    done: Sequence[Move], schedules: Mapping[str, Schedule], *, punctual: bool = False
) -> dict[str, Rule]:
    """What each rule should have come to after these moves."""
    rules = {name: Rule(punctual=punctual) for name in schedules}
    for move in done:
        if move.kind == "start":
            for rule in rules.values():
                rule.restarted(move.now)
        if move.kind == "ring":
            for rule in rules.values():
                rule.rung(move.now)
        for name, what in move.what.items():
            match move.kind:
                case "define":
                    rules[name].defined(what, move.now)
                case "send":
                    clock = schedules[name].clock
                    heard = [
                        Heard(one.n, one.type, one.key, clock(one.time), one.value) for one in what
                    ]
                    rules[name].heard_of(heard, move.now)
                case "pause" | "resume":
                    rules[name].pause(paused=move.kind == "pause", now=move.now)
    return rules


async def trial(
    address: Address, schedules: Mapping[str, Schedule]
) -> tuple[dict[str, Difference], int]:
    """By schedule, where service and model disagree; and what came of them all, in firings."""
    service = Service(address, schedules)
    done: list[Move] = []
    try:
        for move in moves(schedules):
            done += [one async for one in service.do(move)]
        rules = wanted(done, schedules)
        return compared(*await service.found(), rules), sum(len(r.rows) for r in rules.values())
    finally:
        await service.close()


async def differences(address: Address, schedules: Mapping[str, Schedule]) -> dict[str, Difference]:
    return (await trial(address, schedules))[0]


def compared(
    found: Mapping[str, Sequence[Row]], errors: Mapping[str, int], rules: Mapping[str, Rule]
) -> dict[str, Difference]:
    """Compared as sets with counts: at one instant nothing is said of the order of keys."""
    told = {}
    for name, rule in rules.items():
        missing, too_many = list(rule.rows), []
        for row in found[name]:
            same = next((one for one in missing if one.allows(row)), None)
            if same is None:
                too_many.append(row)
            else:
                missing.remove(same)
        was, wanted_ = errors[name], rule.notes.left_out
        left_out = (was, wanted_) if was != wanted_ else None
        if missing or too_many or left_out:
            told[name] = Difference(tuple(missing), tuple(too_many), left_out)
    return told

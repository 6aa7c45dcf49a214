"""Random schedules: by a seed, for one kind of trigger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.schedules.schedule import (
    Define,
    Pause,
    Restart,
    Schedule,
    Send,
    Sent,
    Stall,
    Step,
)

END = 30
Shared = tuple[Restart | Stall, ...]


def _around(random: Random) -> dict[str, Any]:
    """What all triggers that remember have."""
    form: dict[str, Any] = {}
    if random.random() < 0.7:
        form["allowed_lateness"] = random.choice((0, 2, 5, 20))
    if random.random() < 0.7:
        form["per"] = random.choice(("subject", "subject", "subject", "data.k"))
    return form


def _span(random: Random) -> int:
    return random.choice((1, 3, 5, 8, 12, 20))


def count(random: Random) -> dict[str, Any]:
    form = {"count": "a", "at_least": random.choice((1, 2, 3, 3, 4, 5)), "within": _span(random)}
    return form | _around(random)


def sequence(random: Random) -> dict[str, Any]:
    steps = random.choice((["a", "b"], ["a", "b", "c"], ["a", "a", "b"], ["a", "b", "a"]))
    return {"sequence": steps, "within": _span(random)} | _around(random)


def all_(random: Random) -> dict[str, Any]:
    members = random.choice((["a", "b"], ["a", "b", "c"], ["a", "a"]))
    return {"all": members, "within": _span(random)} | _around(random)


def any_(random: Random) -> dict[str, Any]:
    form = {"any": ["a", "b", "c"], "at_least": random.randint(1, 3), "within": _span(random)}
    return form | _around(random)


def absent(random: Random) -> dict[str, Any]:
    form = {"absent": "a", "for": _span(random)} | _around(random)
    if random.random() < 0.5:
        form["after"] = random.choice(("b", "b", "*", "a"))
        form["after"] = "b" if form["after"] == "*" else form["after"]
    elif "per" in form and random.random() < 0.5:
        form["expected"] = ["k1", "k3"]
    return form


def aggregate(random: Random) -> dict[str, Any]:
    function = random.choice(("sum", "avg", "min", "max", "p95", "ratio"))
    limit = random.choice((0.25, 0.5)) if function == "ratio" else random.choice((-1, 0, 2.5, 4))
    form = {"aggregate": "a", "value": "event.data.v", "function": function, "over": _span(random)}
    form[random.choice(("above", "below"))] = limit
    if random.random() < 0.4:
        form["at_least"] = random.randint(1, 3)
    return form | _around(random)


def nested(random: Random) -> dict[str, Any]:
    inner = {"count": "a", "at_least": 2, "within": _span(random)}
    silent = {"absent": "a", "for": _span(random)}
    high = {
        "aggregate": "c",
        "value": "event.data.v",
        "function": "sum",
        "over": _span(random),
        "above": 2.5,
    }
    form = random.choice(
        (
            {"all": [inner, "b"], "within": _span(random)},
            {"all": [silent, "b"], "within": _span(random)},
            {"any": [silent, high, "b"], "at_least": 2, "within": _span(random)},
            {"sequence": [inner, "b"], "within": _span(random)},
            {"sequence": [{"any": ["a", "c"]}, "b"], "within": _span(random)},
            {"absent": "b", "for": _span(random), "after": inner},
            {"all": [{"sequence": ["a", "b"], "within": 5}, high], "within": _span(random)},
            {"all": [{"any": [silent, "c"]}, "b"], "within": _span(random)},
        )
    )
    return form | _around(random)


def clock(random: Random) -> dict[str, Any]:
    form: dict[str, Any] = {"catch_up": random.choice(("latest", "none"))}
    if random.random() < 0.5:
        return form | {"every": random.choice((60, 90, 300, 7_200))}
    minute = random.choice(("*/5", "0", "7,23", "*/15", "3-59/20"))
    hour = random.choice(("*", "*", "13", "*/2"))
    days = random.choice((("*", "*"), ("*", "*"), ("2", "*"), ("*", "2,4"), ("3", "4")))
    form |= {"cron": f"{minute} {hour} {days[0]} * {days[1]}"}
    # All the times of a long stop would be very many, unless there are few.
    return form | {"catch_up": "all"} if minute in {"0", "7,23"} else form


def mixed(random: Random) -> dict[str, Any]:
    """Any of the others, for rules with flow control."""
    form = random.choice((count, sequence, any_, absent, aggregate, plain))(random)
    # Which of its events a combination names is its own choice: let them be of one key.
    return form | {"per": "subject"} if "any" in form else form


def plain(_: Random) -> dict[str, Any]:
    return {"event": "a"}


KINDS: Mapping[str, Callable[[Random], dict[str, Any]]] = {
    "count": count,
    "sequence": sequence,
    "all": all_,
    "any": any_,
    "absent": absent,
    "aggregate": aggregate,
    "nested": nested,
    "clock": clock,
    "throttle": mixed,
    "debounce": mixed,
    "batch": mixed,
}


def _flow(kind: str, random: Random) -> dict[str, Any]:
    def per(form: dict[str, Any]) -> dict[str, Any]:
        return form | ({"per": "subject"} if random.random() < 0.5 else {})

    flow: dict[str, Any] = {}
    if kind == "debounce":
        flow["debounce"] = per({"quiet": _span(random)})
        if random.random() < 0.6:
            flow["debounce"]["max_wait"] = random.choice((4, 8, 12))
    if kind == "batch":
        flow["batch"] = per({"size": random.randint(1, 4), "within": _span(random)})
    if kind == "throttle" or (flow and random.random() < 0.3):
        flow["throttle"] = per({"at_most": random.randint(1, 2), "every": _span(random)})
    return flow


def shared(random: Random) -> Shared:
    """Restarts and stalls, none within another."""
    steps: list[Restart | Stall] = []
    at = random.randint(3, 10)
    while at < END and len(steps) < 5:
        span = random.choice((0, 0, 0, 1, 3, 8, 20))
        if random.random() < 0.7:
            steps.append(Restart(at, span))
        elif span:
            steps.append(Stall(at, span))
        at += span + random.randint(1, 8)
    return tuple(steps)


def batch(kind: str, seed: int, size: int) -> dict[str, Schedule]:
    """Schedules that can run beside one another; the same for the same seed, whatever the size."""
    random = Random(f"{kind} {seed}")
    around = shared(random)
    unit = random.choice((20, 60, 600, 3_600)) if kind == "clock" else 1
    return {f"s{n}": schedule(kind, random, around, unit) for n in range(size)}


def schedule(kind: str, random: Random, around: Shared, unit: int = 1) -> Schedule:
    """One of this kind; its restarts and stalls are those of all that run beside it."""
    trigger: Any = KINDS[kind](random)
    if kind not in {"nested", "clock"} and random.random() < 0.15:
        trigger = [trigger, random.choice((plain, count, absent, aggregate))(random)]
    rule = {"trigger": trigger, **_flow(kind, random)}
    if random.random() < 0.05:
        rule["shadow"] = True
    steps: list[Step] = [*_sends(random), *_edits(kind, rule, random)]
    steps = [_moved(step, around) for step in steps]
    ordered = sorted([*steps, *around], key=lambda step: step.at)
    return Schedule(rule, tuple(ordered), unit, END)


def _sends(random: Random) -> list[Step]:
    busy = random.choice((4, 12, 20, 30))
    sent: list[Sent] = []
    sends: list[Step] = []
    for _ in range(random.randint(busy // 2, busy)):
        at = random.randint(0, END)
        together = []
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            if sent and random.random() < 0.15:
                together.append(random.choice(sent))
            else:
                together.append(_event(random, len(sent), at))
                sent.append(together[-1])
        sends.append(Send(at, tuple(together)))
    return sends


def _event(random: Random, n: int, at: int) -> Sent:
    time = at - random.choice((0, 0, 0, 0, 1, 2, 3, 6, 12, -1, -4))
    value = random.choice((1, 2, 5, -3, 0.5, 1.25, True, True, False, None, "5"))
    key = random.choice(("k1", "k1", "k1", "k2", "k2"))
    if random.random() < 0.15:  # 1 is 1.0 and not "1"; a list is no key
        key = random.choice((None, 1, 1.0, "1", 2.5, ["k1"]))
    return Sent(n, random.choice("aaabbc"), time, key, value)


def _edits(kind: str, rule: Mapping[str, Any], random: Random) -> list[Step]:
    edits: list[Step] = []
    now = dict(rule)
    for at in sorted(random.randint(1, END) for _ in range(random.choice((0, 1, 2, 3, 4)))):
        match random.choice(("keep", "keep", "turn", "turn", "flow", "switch", "pause")):
            case "keep":
                now = {"description": f"from {at} on", **dict(reversed(list(now.items())))}
                now["description"] = f"from {at} on"
            case "turn":
                now = now | {"trigger": _other(now["trigger"])}
            case "flow":
                kept = {k: v for k, v in now.items() if k not in {"debounce", "batch", "throttle"}}
                now = kept | (_flow(kind, random) if random.random() < 0.8 else {})
            case "switch":
                now = now | {"enabled": not now.get("enabled", True)}
            case _:
                edits.append(Pause(at))
                edits.append(Pause(random.randint(at, END), paused=False))
                continue
        edits.append(Define(at, now))
    return edits


def _other(trigger: Any) -> Any:
    """One that means something else."""
    form = dict(trigger[0] if isinstance(trigger, list) else trigger)
    for name in ("within", "for", "over", "every"):
        if name in form:
            form[name] += 1
    if "cron" in form:
        form["cron"] = form["cron"].replace("*/5", "*/10")
    return [form, *trigger[1:]] if isinstance(trigger, list) else form


def _moved(step: Any, around: Sequence[Restart | Stall]) -> Any:
    """To when the service is back, if it is away then."""
    for one in around:
        if isinstance(one, Restart) and one.at < step.at < one.at + one.down:
            fields = {k: getattr(step, k) for k in step.__dataclass_fields__}
            return type(step)(**fields | {"at": one.at + one.down})
    return step

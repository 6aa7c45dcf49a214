"""Rules that set each other off in a circle.

    a emits order.checked → b runs verify, which gives ensue.run.completed → a

The steps are the actions of rules: those of a firing, and those of `on_resolve`. One leads to
another where a consequence of it may be heard there, failures aside; whether it is depends on
`where`, which nobody can tell beforehand. Each such pair that is part of a circle is part of one that is
told, the shortest through one of its pairs; so there are never more than pairs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from automations import consequences
from automations.consequences import Consequence, Parts
from automations.hearing import Heard, heard
from automations.reader import RuleFile
from triggers.aggregate import Aggregate
from triggers.glob import Glob

Part = Literal["actions", "on_resolve"]
MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """The actions of a rule. They act when the rule fires, or when it resolves."""

    file: RuleFile
    part: Part

    @property
    def key(self) -> tuple[str, Part]:
        return self.file.rule.name, self.part

    @property
    def place(self) -> str:
        return self.part


@dataclass(frozen=True, slots=True)
class Lead:
    """From one step to another, by what."""

    step: Step
    by: Consequence
    to: Step
    ear: Heard

    @property
    def pair(self) -> tuple[Key, Key]:
        return self.step.key, self.to.key


Key = tuple[str, Part]
Ear = tuple[RuleFile, Heard]
Ways = dict[Key, dict[Key, Lead]]


def circles(files: Sequence[RuleFile]) -> Iterator[tuple[Lead, ...]]:
    """The circles of two steps and more, each from the step that stands first in the files.

    The first hundred: where each of many rules sets off each, there are as many as pairs.
    """
    return islice(_circles(files), MOST)


def _circles(files: Sequence[RuleFile]) -> Iterator[tuple[Lead, ...]]:
    ways = _going_on(_ways(files))
    order = {key: number for number, key in enumerate(ways)}
    told: set[tuple[Key, Key]] = set()
    for leads in ways.values():
        for lead in leads.values():
            circle = None if lead.pair in told else _back(lead, ways)
            if circle is not None:
                told.update(one.pair for one in circle)
                first = min(range(len(circle)), key=lambda n: order[circle[n].step.key])
                yield (*circle[first:], *circle[:first])


def _going_on(ways: Ways) -> Ways:
    """Without the steps that nothing leads to, or that lead nowhere: no circle has them."""
    while True:
        led_to = {key for leads in ways.values() for key in leads}
        left = {
            step: {key: lead for key, lead in leads.items() if ways.get(key)}
            for step, leads in ways.items()
            if leads and step in led_to
        }
        if sum(map(len, left.values())) == sum(map(len, ways.values())):
            return left
        ways = left


def _ways(files: Sequence[RuleFile]) -> Ways:
    """By step, to which others it leads."""
    awake = [file for file in files if file.rule.enabled]
    ears = _Ears(awake)
    ways: Ways = {}
    for file in awake:
        for step, found in _brought_about(file):
            leads = ways[step.key] = {}
            for consequence in found:
                if consequence.is_failure:
                    continue
                for to, one in ears.reached_by(consequence):
                    if to.key != step.key:
                        leads.setdefault(to.key, Lead(step, consequence, to, one))
    return ways


class _Ears:
    """Who listens to what: by whole types, and by globs that have to be asked one by one."""

    def __init__(self, files: Iterable[RuleFile]) -> None:
        self._exact: dict[str, list[Ear]] = {}
        self._wild: list[tuple[Glob, Ear]] = []
        self._found: dict[Parts, list[Ear]] = {}
        for file in files:
            for one in heard(file.rule, file.document.value["trigger"]):
                for glob in one.selector.types:
                    if (exact := glob.shape.exact) is not None:
                        self._exact.setdefault(exact, []).append((file, one))
                    else:
                        self._wild.append((glob, (file, one)))

    def reached_by(self, consequence: Consequence) -> Iterator[tuple[Step, Heard]]:
        """The steps that it may set off, and by which ear."""
        by_type = self._found.get(consequence.type)
        if by_type is None:
            by_type = self._found[consequence.type] = list(self._by_type(consequence))
        for file, one in by_type:
            if consequence.may_fit(one.selector):
                for step in _set_off(file, one):
                    yield step, one

    def _by_type(self, consequence: Consequence) -> Iterator[Ear]:
        if None in consequence.type:
            for exact, ears in self._exact.items():
                if consequence.may_be_of(Glob(exact)):
                    yield from ears
        else:
            yield from self._exact.get(consequence.type_text, ())
        for glob, ear in self._wild:
            if consequence.may_be_of(glob):
                yield ear


def _brought_about(file: RuleFile) -> Iterator[tuple[Step, list[Consequence]]]:
    rule = file.rule
    acts, clears = Step(file, "actions"), Step(file, "on_resolve")
    if rule.shadow:
        return
    # What actions do says more than that the rule fired.
    yield acts, [*consequences.of_actions(rule, rule.actions), *consequences.of_firing(rule)]
    if rule.on_resolve:
        yield clears, list(consequences.of_actions(rule, rule.on_resolve))


def _set_off(file: RuleFile, one: Heard) -> Iterator[Step]:
    # A figure fires when it crosses its bound: what comes of that does not make it cross again.
    if one.fires and not isinstance(one.node, Aggregate):
        yield Step(file, "actions")
    if one.clears and file.rule.on_resolve:
        yield Step(file, "on_resolve")


def _back(first: Lead, ways: Ways) -> list[Lead] | None:
    """The shortest circle that begins with this lead."""
    home = first.step.key
    came: dict[Key, Lead] = {first.to.key: first}
    waiting = deque([first.to.key])
    while waiting:
        here = waiting.popleft()
        for key, lead in ways.get(here, {}).items():
            if key == home:
                return _walked(home, lead, came)
            if key not in came:
                came[key] = lead
                waiting.append(key)
    return None


def _walked(home: Key, last: Lead, came: Mapping[Key, Lead]) -> list[Lead]:
    circle = [last]
    while circle[-1].step.key != home:
        circle.append(came[circle[-1].step.key])
    return circle[::-1]

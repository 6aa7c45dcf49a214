"""`vars` that rules name and the settings do not have, and clocks whose `where` they break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automations.finding import Finding, finding
from automations.inspector import of_action
from automations.reader import RuleFile
from base.place import spelled, within
from base.suggest import nearest
from base.time import Micros, to_datetime
from events.expression import Activation, Expression, Failure
from events.expression_tree import reads
from triggers.clock_trigger import ClockTrigger


def settings_named(file: RuleFile, variables: Mapping[str, Any], now: Micros) -> Iterator[Finding]:
    """What this rule wants of the settings' `vars`, and does not find there."""
    lost: set[str] = set()
    for expression in _expressions(file):
        for one in _unknown(file, expression, variables):
            lost.add(expression.place)
            yield one
    listed = isinstance(file.document.value["trigger"], list)
    for number, trigger in enumerate(file.rule.triggers):
        place = within(within("trigger", number) if listed else "trigger", "where")
        if isinstance(trigger, ClockTrigger) and trigger.condition and place not in lost:
            yield from _answerless(file, place, trigger, variables, now)


def _expressions(file: RuleFile) -> Iterator[Expression]:
    for trigger in file.rule.triggers:
        if trigger.condition is not None:
            yield trigger.condition
    for action in (*file.rule.actions, *file.rule.on_resolve):
        yield from of_action(action)


def _unknown(
    file: RuleFile, expression: Expression, variables: Mapping[str, Any]
) -> Iterator[Finding]:
    for read in reads(expression):
        here: Any = variables
        if read.path[0] != "vars" or read.optional:
            continue
        for at, step in enumerate(read.path[1:], 1):
            if not isinstance(here, Mapping) or step is None:
                break
            if step not in here:
                meant = nearest(step, here)
                around = spelled(tuple(str(one) for one in read.path[:at]))
                there = ", ".join(sorted(here)) or "none at all"
                yield finding(
                    file,
                    "warning",
                    expression.place,
                    "variable_unknown",
                    f"the settings have no `{around}.{step}`",
                    f"did you mean `{around}.{meant}`?" if meant else f"there are {there}",
                )
                break
            here = here[step]


def _answerless(
    file: RuleFile, place: str, trigger: ClockTrigger, variables: Mapping[str, Any], now: Micros
) -> Iterator[Finding]:
    """The condition is asked of the next time: an unknown calendar, say, has no answer."""
    due = trigger.schedule.since(now).next_after(now)
    if due is None or trigger.condition is None:
        return
    answer = trigger.condition.holds(Activation.of(now=to_datetime(due), vars=dict(variables)))
    if isinstance(answer, Failure):
        yield finding(
            file,
            "warning",
            place,
            answer.code,
            f"it has no answer, and so the rule would not fire: {answer.message}",
            "every time without an answer is told by ensue.automation.error",
        )

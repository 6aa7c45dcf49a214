"""What is wrong with rules, or likely to be, without running them.

Errors keep a rule from working: everything that loading it refuses, tests that cannot be
read, flows and parameters that do not exist. Warnings are what an author should look at: a
rule that sets itself off, rules that do so in a circle, a clock that never fires, a trigger
that every event must be held against, arithmetic that fails for integers, a field that no
event ever had, what is taken as text and was meant otherwise. A note says what is good to know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from automations.circles import Lead, circles
from automations.finding import Finding, finding
from automations.inspector import FlowShape, Inspector
from automations.observed import Observed
from automations.reader import Loaded, RuleFile
from automations.settings_named import settings_named
from automations.slips import slips
from automations.unseen import Unseen
from base.time import Micros, format_duration
from triggers.count import Count

__all__ = ["Finding", "FlowShape", "lint"]

_MOST_STEPS: Final = 8
"""Of a circle, those that are named."""


def lint(
    loaded: Loaded,
    flows: Mapping[str, FlowShape] | None = None,
    *,
    now: Micros,
    observed: Observed | None = None,
    variables: Mapping[str, Any] | None = None,
) -> tuple[Finding, ...]:
    """Findings by file and line. `flows` by their names; None where they are not known.

    `now` is what clocks are held against, `observed` what rules say of events; where nobody
    looked at events, it is not held against any. `variables` are the settings' `vars`, where
    those are known.
    """
    found = [Finding("error", problem) for problem in loaded.problems]
    known = None
    if flows is not None:
        known = {name.replace("_", "-"): shape for name, shape in flows.items()}
    names = {file.rule.name for file in loaded.rules}
    names |= {one.automation for one in loaded.problems if one.automation}
    unseen = None if observed is None else Unseen(observed)
    for file in loaded.rules:
        found.extend(Inspector(file, known, now, names).findings())
        found.extend(slips(file))
        if variables is not None:
            found.extend(settings_named(file, variables, now))
        if unseen is not None:
            found.extend(unseen.findings(file))
    found.extend(map(_circle, circles(loaded.rules)))
    return tuple(sorted(found, key=lambda one: one.order))


def _circle(circle: tuple[Lead, ...]) -> Finding:
    first, last = circle[0], circle[-1]
    said = [f"`{first.step.file.rule.name}`"]
    shown = circle if len(circle) <= _MOST_STEPS else (*circle[: _MOST_STEPS - 1], last)
    for lead in shown:
        if lead is last and len(shown) < len(circle):
            said.append(f"… {len(circle) - len(shown):,} more …")
        said.append(f"{lead.by.words} {lead.by.type_text} → `{lead.to.file.rule.name}`")
        if lead is not last:
            said[-1] += f" ({_where(lead.to.file, lead.to.place)})"
    return finding(
        first.step.file,
        "warning",
        first.by.place,
        "rules_in_circle",
        f"these rules may set each other off: {' '.join(said)}",
        f"let one of their triggers tell them apart; {', '.join(_cuts(circle))}",
    )


def _where(file: RuleFile, place: str) -> str:
    return file.document.place(file.document.path(place))


def _cuts(circle: tuple[Lead, ...]) -> Iterator[str]:
    """What keeps it from going round for ever."""
    rules = [lead.step.file.rule for lead in circle]
    yield f"`max_depth` cuts each chain at depth {min(rule.max_depth for rule in rules)}"
    for lead in circle:
        if isinstance(lead.ear.node, Count) and lead.ear.node.at_least > 1:
            yield f"`{lead.to.file.rule.name}` waits for {lead.ear.node.at_least:,} at a time"
    for rule in {rule.name: rule for rule in rules}.values():
        if (throttle := rule.flow.throttle) is not None:
            yield (
                f"the throttle of `{rule.name}` lets {throttle.at_most:,} through "
                f"every {format_duration(throttle.every)}"
            )

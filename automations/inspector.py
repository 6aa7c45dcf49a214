"""One rule looked at by itself: its tests, its selectors, its clocks, its actions, its expressions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from automations import consequences
from automations.action import Action
from automations.consequences import Consequence
from automations.finding import Finding, Severity, finding
from automations.hearing import Heard, heard
from automations.own_types import OWN_TYPES
from automations.reader import RuleFile
from automations.rehearsal import cases
from automations.run_action import RunAction
from automations.steer_action import SteerAction
from base.fields import FormError
from base.place import within
from base.suggest import hint
from base.time import Micros
from events.expression import Expression
from events.expression_tree import mixings
from events.expression_words import caret
from events.template import Template
from triggers.clock_trigger import ClockTrigger
from triggers.event_trigger import Where
from triggers.glob import OWN
from triggers.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class FlowShape:
    """What a flow takes. `open_ended` ones take any further name."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    open_ended: bool = False


class Inspector:
    """Looks at one rule."""

    def __init__(
        self,
        file: RuleFile,
        flows: Mapping[str, FlowShape] | None,
        now: Micros,
        rules: Collection[str] = (),
    ) -> None:
        """`flows` by their names, with hyphens; None where they are not known.

        `rules` are the names of all that are looked at together.
        """
        self._file = file
        self._rule = file.rule
        self._flows = flows
        self._now = now
        self._rules = {*rules, file.rule.name}
        self._heard = tuple(heard(file.rule, file.document.value["trigger"]))
        self._actions = (*file.rule.actions, *file.rule.on_resolve)

    def findings(self) -> Iterator[Finding]:
        yield from self._tests()
        yield from self._clocks()
        for one in self._heard:
            if not one.selector.is_indexable:
                yield self._finding(
                    "warning",
                    one.place,
                    "not_indexable",
                    "every event has to be held against this trigger",
                    "name a type, a prefix or an exact value it depends on",
                )
            yield from self._own_types(one)
        for action in self._actions:
            if isinstance(action.deed, RunAction):
                yield from self._run(action, action.deed)
            if isinstance(action.deed, SteerAction):
                yield from self._steer(action, action.deed)
        yield from self._sets_itself_off()
        for expression in self._expressions():
            yield from self._mixing(expression)

    def _finding(
        self, severity: Severity, place: str, code: str, message: str, hint: str | None = None
    ) -> Finding:
        return finding(self._file, severity, place, code, message, hint)

    def _tests(self) -> Iterator[Finding]:
        try:
            cases(self._rule)
        except FormError as error:
            for one in error.complaints:
                yield finding(
                    self._file,
                    "error",
                    one.place,
                    one.code,
                    one.message,
                    one.hint,
                    at_key=one.at_key,
                )

    def _clocks(self) -> Iterator[Finding]:
        listed = isinstance(self._file.document.value["trigger"], list)
        for number, trigger in enumerate(self._rule.triggers):
            if not isinstance(trigger, ClockTrigger):
                continue
            place = within("trigger", number) if listed else "trigger"
            warning = trigger.schedule.warning(self._now)
            if warning is not None:
                yield self._finding(
                    "warning",
                    within(place, trigger.schedule.kind),
                    "never_fires",
                    warning,
                    "give it a time to come, or take the trigger out",
                )
            clock = trigger.schedule.clock
            if (
                isinstance(clock, Recurrence)
                and clock.anchor is None
                and clock.form.leaves_day_open
            ):
                yield self._finding(
                    "note",
                    within(place, "rrule"),
                    "day_left_open",
                    "it counts from the day on which the rule was enabled",
                    "`start: 2030-01-07` says from which day",
                )

    def _own_types(self, one: Heard) -> Iterator[Finding]:
        for place, glob in one.written:
            if glob.text.startswith(OWN) and not any(map(glob.test(), OWN_TYPES)):
                bare = glob.text.rstrip(".*?")
                groups = {name.rpartition(".")[0] for name in OWN_TYPES}
                yield self._finding(
                    "warning",
                    place,
                    "type_unknown",
                    f"the service has no events of the type `{glob.text}`",
                    hint(bare, (*OWN_TYPES, *groups)) or f"there are {', '.join(sorted(groups))}",
                )

    def _run(self, action: Action, deed: RunAction) -> Iterator[Finding]:
        if self._flows is None:
            return
        place = within(action.place, "run")
        shape = self._flows.get(_hyphened(deed.flow))
        if shape is None:
            yield self._no_flow(place, deed.flow, self._flows)
            return
        given = deed.parameters.source or {}
        names = shape.required | shape.optional
        for name in given if not shape.open_ended else ():
            if name not in names:
                yield finding(
                    self._file,
                    "error",
                    within(within(action.place, "with"), name),
                    "parameter_unknown",
                    f"the flow `{deed.flow}` takes no `{name}`",
                    hint(name, names) or f"it takes {', '.join(sorted(names)) or 'nothing'}",
                    at_key=True,
                )
        for name in sorted(shape.required - set(given)):
            yield self._finding(
                "error", place, "parameter_missing", f"the flow `{deed.flow}` needs `{name}`"
            )

    def _steer(self, action: Action, deed: SteerAction) -> Iterator[Finding]:
        name = deed.literal
        place = within(within(action.place, deed.verb), deed.what)
        if name is None:
            return
        if deed.what == "flow" and self._flows is not None and _hyphened(name) not in self._flows:
            yield self._no_flow(place, name, self._flows)
        if deed.what == "automation" and name not in self._rules:
            yield self._finding(
                "warning",
                place,
                "automation_unknown",
                f"there is no rule `{name}` among these",
                hint(name, self._rules)
                or "a rule that the service has besides is found all the same",
            )

    def _no_flow(self, place: str, name: str, flows: Mapping[str, FlowShape]) -> Finding:
        advice = hint(_hyphened(name), flows)
        known = f"there are {', '.join(sorted(flows))}" if flows else "there are no flows"
        return self._finding(
            "error", place, "flow_unknown", f"there is no flow `{name}`", advice or known
        )

    def _sets_itself_off(self) -> Iterator[Finding]:
        """What comes of the rule and may set it off again: of each part of it the first."""
        told: set[str] = set()
        rule = self._rule
        for one in (
            *consequences.of_actions(rule, self._actions),
            *consequences.of_firing(rule),
            *consequences.of_timers(rule),
        ):
            # That it fired says nothing new where what it does is heard already.
            if one.place in told or (told and "." not in one.place):
                continue
            if any(ear.fires and one.may_reach(ear.selector) for ear in self._heard):
                told.add(one.place)
                yield self._loop(one)

    def _loop(self, one: Consequence) -> Finding:
        match one.kind:
            case "emit":
                advice = "emit another type, or let the trigger tell them apart"
            case "run":
                flow = one.root["data"]["flow"]
                advice = f"leave it out: match: {{data: {{flow: [{{anything-but: {flow}}}]}}}}"
            case "retry":
                advice = (
                    "answer the first attempt only, match: {data: {attempt: [1]}}, or throttle it"
                )
            case "steer":
                advice = "let the trigger tell them apart"
            case _:
                name = self._rule.name
                advice = (
                    f"leave it out: match: {{data: {{automation: [{{anything-but: {name}}}]}}}}"
                )
        of_flow = f" of `{one.root['data']['flow']}`" if one.kind == "run" else ""
        message = (
            f"the rule may set itself off: its own trigger listens to `{one.type_text}`{of_flow}"
        )
        return self._finding("warning", one.place, "self_trigger", message, advice)

    def _expressions(self) -> Iterator[Expression]:
        for one in self._heard:
            if isinstance(predicate := one.selector.predicate, Where):
                yield predicate.expression
            if one.value is not None:
                yield one.value
        for action in self._actions:
            yield from of_action(action)

    def _mixing(self, expression: Expression) -> Iterator[Finding]:
        for mixing in mixings(expression):
            source = expression.source
            line = source.count("\n", 0, mixing.at) + 1
            column = mixing.at - source.rfind("\n", 0, mixing.at)
            yield self._finding(
                "warning",
                expression.place,
                "number_mix",
                f"`{mixing.operator}` with a fraction fails where the other side is an integer"
                f"{caret(source, line, column)}",
                "write double(…) around what comes from the event",
            )


def of_action(action: Action) -> Iterator[Expression]:
    """All expressions of an action."""
    if action.condition is not None:
        yield action.condition
    for template in _templates(action):
        yield from template.expressions


def _templates(action: Action) -> Iterable[Template]:
    for name in action.deed.__slots__:
        value = getattr(action.deed, name)
        for part in value if isinstance(value, tuple) else (value,):
            held = part[1] if isinstance(part, tuple) else part
            if isinstance(held, Template):
                yield held


def _hyphened(name: str) -> str:
    return name.replace("_", "-")

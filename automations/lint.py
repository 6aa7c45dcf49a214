"""What is wrong with rules, or likely to be, without running them.

Errors keep a rule from working: everything that loading it refuses, tests that cannot be
read, flows and parameters that do not exist. Warnings are what an author should look at: a
rule that sets itself off, a trigger that every event must be held against, arithmetic that
fails for integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from automations.action import Action
from automations.emit_action import EmitAction
from automations.reader import Loaded, Problem, RuleFile
from automations.rehearsal import cases
from automations.run_action import RunAction
from base.fields import FormError
from base.place import within
from base.suggest import hint
from events.expression import Expression
from events.expression_tree import mixings
from events.expression_words import caret
from events.template import Template
from triggers.event_trigger import Where
from triggers.selector import Selector

RUN_STATES = ("scheduled", "pending", "running", "completed", "failed")


@dataclass(frozen=True, slots=True)
class FlowShape:
    """What a flow takes. `open_ended` ones take any further name."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and whether it keeps the rule from working."""

    severity: Literal["error", "warning"]
    problem: Problem

    def __str__(self) -> str:
        problem = self.problem
        out = f" ({problem.hint})" if problem.hint else ""
        where = f"{problem.file}:{problem.line}:{problem.column}"
        return f"{where}: {self.severity}: {problem.message}{out}"


def lint(loaded: Loaded, flows: Mapping[str, FlowShape] | None = None) -> tuple[Finding, ...]:
    """Findings by file and line. `flows` by their names; None where they are not known."""
    found = [Finding("error", problem) for problem in loaded.problems]
    known = None if flows is None else {_hyphened(name): shape for name, shape in flows.items()}
    for rule_file in loaded.rules:
        found.extend(_Inspector(rule_file, known).findings())
    return tuple(
        sorted(found, key=lambda one: (one.problem.file, one.problem.line, one.problem.column))
    )


def _hyphened(name: str) -> str:
    return name.replace("_", "-")


class _Inspector:
    """Looks at one rule."""

    def __init__(self, file: RuleFile, flows: Mapping[str, FlowShape] | None) -> None:
        self._file = file
        self._rule = file.rule
        self._flows = flows

    def findings(self) -> Iterator[Finding]:
        yield from self._tests()
        for place, selector in self._selectors():
            yield from self._cost(place, selector)
        for action in self._rule.actions:
            if isinstance(action.deed, RunAction):
                yield from self._run(action, action.deed)
            if isinstance(action.deed, EmitAction):
                yield from self._emit(action, action.deed)
        for expression in self._expressions():
            yield from self._mixing(expression)

    def _selectors(self) -> Iterator[tuple[str, Selector]]:
        """All selectors of all triggers, each with the place of its trigger."""
        listed = isinstance(self._file.document.value.get("trigger"), list)
        for number, trigger in enumerate(self._rule.triggers):
            for leaf in trigger.leaves:
                yield within("trigger", number) if listed else "trigger", leaf.selector

    def _finding(
        self,
        severity: Literal["error", "warning"],
        place: str,
        code: str,
        message: str,
        hint: str | None = None,
        *,
        at_key: bool = False,
    ) -> Finding:
        document = self._file.document
        here = document.position(document.path(place), key=at_key)
        return Finding(
            severity,
            Problem(
                self._file.file,
                here.line,
                here.column,
                code,
                f"{place}: {message}",
                hint,
                self._rule.name,
            ),
        )

    def _tests(self) -> Iterator[Finding]:
        try:
            cases(self._rule)
        except FormError as error:
            for one in error.complaints:
                yield self._finding(
                    "error", one.place, one.code, one.message, one.hint, at_key=one.at_key
                )

    def _cost(self, place: str, selector: Selector) -> Iterator[Finding]:
        if not selector.is_indexable:
            yield self._finding(
                "warning",
                place,
                "not_indexable",
                "every event has to be held against this trigger",
                "name a type, a prefix or an exact value it depends on",
            )

    def _run(self, action: Action, deed: RunAction) -> Iterator[Finding]:
        yield from self._chases_itself(action, deed)
        if self._flows is None:
            return
        place = within(action.place, "run")
        shape = self._flows.get(_hyphened(deed.flow))
        if shape is None:
            advice = hint(_hyphened(deed.flow), self._flows)
            known = (
                f"there are {', '.join(sorted(self._flows))}"
                if self._flows
                else "there are no flows"
            )
            yield self._finding(
                "error", place, "flow_unknown", f"there is no flow `{deed.flow}`", advice or known
            )
            return
        given = deed.parameters.source or {}
        names = shape.required | shape.optional
        for name in given if not shape.open_ended else ():
            if name not in names:
                yield self._finding(
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

    def _emit(self, action: Action, deed: EmitAction) -> Iterator[Finding]:
        emitted = deed.literal_type
        if emitted is None:
            return
        source = deed.source.source or f"/automations/{self._rule.name}"
        is_literal = deed.source.is_literal
        for _, selector in self._selectors():
            from_here = (
                not is_literal
                or not selector.sources
                or any(glob.test()(source) for glob in selector.sources)
            )
            if selector.reaches(emitted) and from_here:
                yield self._finding(
                    "warning",
                    within(action.place, "emit"),
                    "self_trigger",
                    f"the rule may set itself off: its own trigger listens to `{emitted}`",
                    "emit another type, or let the trigger tell them apart",
                )
                return

    def _chases_itself(self, action: Action, deed: RunAction) -> Iterator[Finding]:
        """A rule that listens to the runs it starts."""
        flow = _hyphened(deed.flow)
        for state in RUN_STATES:
            root = {
                "specversion": "1.0",
                "id": "1",
                "type": f"ensue.run.{state}",
                "source": f"/flows/{flow}",
                "subject": "1",
                "data": {"flow": flow, "state": state, "automation": self._rule.name},
            }
            for _, selector in self._selectors():
                if selector.matches(root):
                    yield self._finding(
                        "warning",
                        within(action.place, "run"),
                        "self_trigger",
                        f"the rule may set itself off: its own trigger listens to {root['type']} "
                        f"of `{flow}`",
                        f"leave it out: match: {{data: {{flow: [{{anything-but: {flow}}}]}}}}",
                    )
                    return

    def _expressions(self) -> Iterator[Expression]:
        for _, selector in self._selectors():
            if isinstance(predicate := selector.predicate, Where):
                yield predicate.expression
        for action in (*self._rule.actions, *self._rule.on_resolve):
            if action.condition is not None:
                yield action.condition
            for template in _templates(action):
                yield from template.expressions

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


def _templates(action: Action) -> Iterable[Template]:
    for name in action.deed.__slots__:
        value = getattr(action.deed, name)
        for part in value if isinstance(value, tuple) else (value,):
            held = part[1] if isinstance(part, tuple) else part
            if isinstance(held, Template):
                yield held

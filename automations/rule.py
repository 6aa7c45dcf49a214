"""The rule: when this happens, that ensues.

A rule is its `name`. It is made out of a definition, a JSON value as it was read from YAML
or came over the API; the definition is what is stored, and a rule is made of it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from automations.action import Action, parse_actions
from automations.flow_control import FlowControl
from automations.foreign_words import RULE_WORDS
from base.fields import Complaints, Fields, described
from base.place import within
from triggers.listener import Trigger
from triggers.reading import Limits
from triggers.trigger_form import LIMITS, parse_triggers

FIELDS = (
    "name",
    "description",
    "tags",
    "enabled",
    "shadow",
    "max_depth",
    "breaker",
    "throttle",
    "debounce",
    "batch",
    "trigger",
    "actions",
    "on_resolve",
    "tests",
)
MAX_DEPTH = 16
BREAKER = 1_000
"""For rules that name none, unless the settings say otherwise."""
MAX_NAME = 100
NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
DEEPEST = 1_000
"""The greatest `max_depth` there may be."""

BREAKER_LIMIT = 1_000_000
_DEFAULTS: Mapping[str, Any] = {
    "description": "",
    "tags": [],
    "enabled": True,
    "shadow": False,
    "tests": [],
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in order: all of it was checked and compiled.

    `definition` is normalised: fields that say what is so anyway are left out, and a single
    trigger or tag stands as it would in a list. Rules are equal when definitions are.
    """

    name: str
    description: str = field(compare=False)
    tags: tuple[str, ...] = field(compare=False)
    enabled: bool = field(compare=False)
    shadow: bool = field(compare=False)
    max_depth: int = field(compare=False)
    breaker: int = field(compare=False)
    triggers: tuple[Trigger, ...] = field(compare=False)
    actions: tuple[Action, ...] = field(compare=False)
    on_resolve: tuple[Action, ...] = field(compare=False)
    flow: FlowControl = field(compare=False)
    definition: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, definition: Any, place: str = "", limits: Limits = LIMITS) -> Rule:
        """Raises FormError with everything that is wrong, each with its place.

        `limits` is what the settings allow triggers to remember.
        """
        complaints = Complaints("rule_invalid")
        if not isinstance(definition, dict):
            complaints.add(place, f"a rule is a map of fields, not {described(definition)}")
            complaints.raise_any()
        rule = cls._read(definition, place, complaints, limits)
        complaints.raise_any()
        return rule

    @classmethod
    def _read(
        cls, form: dict[str, Any], place: str, complaints: Complaints, limits: Limits
    ) -> Rule:
        fields = Fields(form, place, complaints, FIELDS, RULE_WORDS)
        if form.get("trigger") is None:
            complaints.add(place, "`trigger` is missing", code="field_missing")
        name = _name(fields)
        triggers: tuple[Trigger, ...] = ()
        if form.get("trigger") is not None:
            triggers = parse_triggers(form["trigger"], fields.at("trigger"), complaints, limits)
        return cls(
            name=name,
            description=fields.text("description", blank=True),
            tags=fields.texts("tags"),
            enabled=fields.flag("enabled", default=True),
            shadow=fields.flag("shadow", default=False),
            max_depth=fields.integer("max_depth", MAX_DEPTH, at_least=1, at_most=DEEPEST),
            breaker=fields.integer("breaker", BREAKER, at_least=1, at_most=BREAKER_LIMIT),
            triggers=triggers,
            actions=parse_actions(form.get("actions"), fields.at("actions"), complaints),
            on_resolve=_on_resolve(fields, triggers, complaints),
            flow=FlowControl.parse(fields, complaints),
            definition=_normalised(form, _tests(form, place, complaints)),
        )

    @property
    def digest(self) -> str:
        """Stays the same as long as the definition means the same, whatever its key order."""
        return _digest(self.definition)

    @property
    def trigger_digest(self) -> str:
        """Stays the same as long as what the rule waits for does: windows outlive other edits."""
        return _digest([trigger.normalised() for trigger in self.triggers])

    @property
    def tests(self) -> list[dict[str, Any]]:
        return list(self.definition.get("tests", ()))

    def context(self) -> dict[str, Any]:
        """`automation`, as expressions see it."""
        return {"name": self.name, "description": self.description, "tags": list(self.tags)}


def _name(fields: Fields) -> str:
    name = fields.text("name", required=True, at_most=MAX_NAME)
    if name and not re.fullmatch(NAME, name):
        fields.complain(
            "name",
            f"{described(name)} cannot be a rule's name",
            "letters, digits and - _ . between them",
        )
    return name


def _on_resolve(
    fields: Fields, triggers: Sequence[Trigger], complaints: Complaints
) -> tuple[Action, ...]:
    if not fields.has("on_resolve"):
        return ()
    if triggers and not any(
        node.is_condition and node.parent is None for trigger in triggers for node in trigger.nodes
    ):
        fields.complain("on_resolve", "none of the triggers is a condition, which could clear")
    return parse_actions(fields.raw("on_resolve"), fields.at("on_resolve"), complaints)


def _tests(form: Mapping[str, Any], place: str, complaints: Complaints) -> list[Any]:
    """Tests are looked at closely when they run; here they need only be a list of maps."""
    tests = form.get("tests")
    if tests is None:
        return []
    here = within(place, "tests")
    if not isinstance(tests, list):
        complaints.add(here, f"must be a list of tests, not {described(tests)}")
        return []
    for number, test in enumerate(tests):
        if not isinstance(test, dict):
            complaints.add(within(here, number), f"a test is a map, not {described(test)}")
    return tests


def _normalised(form: Mapping[str, Any], tests: list[Any]) -> dict[str, Any]:
    normal = {name: form[name] for name in FIELDS if form.get(name) is not None}
    if tests:
        normal["tests"] = tests
    for name in ("tags", "trigger"):
        if name in normal and not isinstance(normal[name], list):
            normal[name] = [normal[name]]
    return {name: value for name, value in normal.items() if value != _DEFAULTS.get(name, ...)}


def _digest(value: Any) -> str:
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()

"""Rules of Amazon EventBridge: what its command line prints, or a template declares.

* `describe-rule` or `list-rules`. Neither says where events go: targets are read from
  `Targets` of the rule or, of a single rule, beside it (`list-targets-by-rule`), and what
  API destinations are from `ApiDestinations` (`list-api-destinations`).
* `AWS::Events::Rule` of CloudFormation, and the events of functions of SAM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automations.importing.cloudformation import Template
from automations.importing.draft import Draft, Imported, finished, named
from automations.importing.eventbridge_input import Sent
from automations.importing.eventbridge_pattern import event_trigger
from automations.importing.eventbridge_schedule import clock_trigger
from automations.importing.eventbridge_target import Destinations, action
from automations.importing.notes import Notes
from automations.importing.parts import Form, mapped, maps

_KNOWN = frozenset(
    ("Name", "Description", "EventPattern", "ScheduleExpression", "ScheduleExpressionTimezone",
     "State", "Targets", "EventBusName", "Tags")
)  # fmt: skip
_NAMES_IT_THERE = frozenset(("Arn", "CreatedBy", "RoleArn", "ApiDestinations", "ResponseMetadata"))
"""What says who and where a rule is in AWS, and means nothing elsewhere."""

_OTHER_KINDS = frozenset(("AWS::Scheduler::Schedule", "AWS::Pipes::Pipe"))


@dataclass(frozen=True, slots=True)
class _Found:
    """A rule of the document, under the names of `describe-rule`."""

    name: str
    place: str
    form: Form


def from_eventbridge(document: Any) -> Imported:
    """Drafts of the rules. One that waits for events and for a schedule becomes two."""
    notes = Notes("")
    template = Template.of(document)
    destinations = Destinations(_destinations(document), template)
    drafts: list[Draft] = []
    for found in _rules(document, template, notes):
        drafts += _drafts(found, destinations)
    return Imported(finished(drafts), tuple(notes.found))


def _rules(document: Any, template: Template, notes: Notes) -> Iterator[_Found]:
    if template.resources:
        yield from _declared(template, notes)
        return
    if isinstance(document, list):
        for number, one in enumerate(document):
            yield from _described(one, f"[{number}]", notes)
    elif isinstance(document, dict) and isinstance(document.get("Rules"), list):
        for number, one in enumerate(document["Rules"]):
            yield from _described(one, f"Rules[{number}]", notes)
        if document.get("Targets"):
            notes.at("Targets").missing(
                "`Targets`", "which rule of several they are of is not said"
            )
        for name in document.keys() - _NAMES_IT_THERE - {"Rules", "Targets", "NextToken"}:
            notes.at(name).missing(f"`{name}`", "this field is not known")
        if document.get("NextToken"):
            notes.at("NextToken").missing("more rules", "the list goes on", "Fetch the whole list.")
    elif document is not None:
        yield from _described(document, "", notes)


def _described(form: Any, place: str, notes: Notes) -> Iterator[_Found]:
    if isinstance(form, dict) and form.keys() & {"EventPattern", "ScheduleExpression"}:
        yield _Found(str(form.get("Name") or "imported"), place, form)
    else:
        Notes(place, notes.found).missing(
            "this", "it is no rule: it has neither pattern nor schedule"
        )


def _declared(template: Template, notes: Notes) -> Iterator[_Found]:
    for name, resource in template.resources.items():
        here = notes.at("Resources", name)
        properties = mapped(resource.get("Properties"), here.at("Properties"))
        kind = str(resource.get("Type"))
        if kind == "AWS::Events::Rule":
            rule = str(template.resolved(properties.get("Name"), Notes("")) or name)
            yield _Found(rule, here.at("Properties").place, properties)
            if resource.get("Condition"):
                here.info("`Condition`", "whether the rule is deployed at all is not looked at")
        elif kind == "AWS::Serverless::Function":
            yield from _of_function(name, properties, here.at("Properties", "Events"))
        elif kind in _OTHER_KINDS:
            here.missing(f"a resource of the type {kind}", "it is no rule of EventBridge")


def _of_function(function: str, properties: Form, notes: Notes) -> Iterator[_Found]:
    """The events of a function of SAM: each is a rule that has it as its target."""
    events = properties.get("Events")
    for name, event in (events if isinstance(events, dict) else {}).items():
        here = notes.at(name, "Properties")
        said = event.get("Properties") if isinstance(event, dict) else None
        said = said if isinstance(said, dict) else {}
        target = {"Id": name, "Arn": {"Ref": function}}
        rest = dict(said)
        for field in ("Input", "InputPath", "InputTransformer", "RetryPolicy", "DeadLetterConfig"):
            if field in rest:
                target[field] = rest.pop(field)
        match event.get("Type") if isinstance(event, dict) else None:
            case "EventBridgeRule" | "CloudWatchEvent":
                rest["EventPattern"] = rest.pop("Pattern", None)
            case "Schedule":
                rest["ScheduleExpression"] = rest.pop("Schedule", None)
                if rest.pop("Enabled", True) is False:
                    rest["State"] = "DISABLED"
            case _:
                continue
        rest.pop("Target", None)
        said_name = rest.pop("Name", None) or rest.pop("RuleName", None)
        rule = said_name if isinstance(said_name, str) else f"{function}-{name}"
        yield _Found(rule, here.place, {**rest, "Targets": [target]})


def _destinations(document: Any) -> Mapping[str, Form]:
    listed = document.get("ApiDestinations") if isinstance(document, dict) else None
    return {
        str(one.get("ApiDestinationArn")): one
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }


def _drafts(found: _Found, destinations: Destinations) -> Iterator[Draft]:
    pattern = found.form.get("EventPattern") is not None
    schedule = found.form.get("ScheduleExpression") is not None
    if pattern or not schedule:
        yield _draft(found, destinations, clock=False)
    if schedule:
        yield _draft(found, destinations, clock=True, suffix="-schedule" if pattern else "")


def _draft(found: _Found, destinations: Destinations, *, clock: bool, suffix: str = "") -> Draft:
    notes = Notes(found.place)
    template, form = destinations.template, found.form
    for name in form.keys() - _KNOWN - _NAMES_IT_THERE:
        notes.at(name).missing(f"`{name}`", "rules have nothing like it")
    definition: Form = {}
    if form.get("Description"):
        definition["description"] = str(
            template.resolved(form["Description"], notes.at("Description"))
        )
    if tags := _tags(form.get("Tags"), template, notes.at("Tags")):
        definition["tags"] = tags
    _state(form, definition, notes)
    definition["trigger"] = _trigger(form, template, notes, clock=clock)
    sent = Sent(clock=clock)
    definition["actions"] = [
        action(_resolved(one, template, here), destinations, sent, here)
        for one, here in maps(form.get("Targets"), notes.at("Targets"))
    ] or [_nothing(notes)]
    ordered = sorted(notes.found, key=lambda note: ("missing", "differs", "info").index(note.kind))
    return Draft(named(found.name) + suffix, found.name, definition, tuple(ordered))


def _resolved(target: Form, template: Template, notes: Notes) -> Form:
    """The target without functions, but for its ARN: what that refers to is looked up."""
    return {
        name: value
        if name in {"Arn", "RoleArn", "DeadLetterConfig"}
        else template.resolved(value, notes.at(name))
        for name, value in target.items()
    }


def _trigger(form: Form, template: Template, notes: Notes, *, clock: bool) -> Form:
    if clock:
        expression = template.resolved(form["ScheduleExpression"], notes.at("ScheduleExpression"))
        timezone = form.get("ScheduleExpressionTimezone")
        found = clock_trigger(expression, timezone, notes.at("ScheduleExpression"))
        return found or {"event": "imported.never"}
    here = notes.at("EventPattern")
    return event_trigger(template.resolved(form.get("EventPattern"), here), here)


def _state(form: Form, definition: Form, notes: Notes) -> None:
    state = form.get("State", "ENABLED")
    if state == "DISABLED":
        definition["enabled"] = False
    elif state != "ENABLED":
        notes.at("State").differs(
            f"the state {state}", "the rule is enabled, for what is sent here"
        )
    bus = form.get("EventBusName", "default")
    if bus != "default":
        notes.at("EventBusName").differs(
            f"the event bus {bus if isinstance(bus, str) else 'of another resource'}",
            "all events are in one log here", "Tell them apart by `source`.",
        )  # fmt: skip


def _tags(said: Any, template: Template, notes: Notes) -> list[str]:
    said = template.resolved(said, notes)
    if isinstance(said, dict):
        return [f"{key}:{value}" for key, value in said.items()]
    return [f"{one.get('Key')}:{one.get('Value')}" for one in said or [] if isinstance(one, dict)]


def _nothing(notes: Notes) -> Form:
    notes.at("Targets").missing(
        "the targets", "`describe-rule` and `list-rules` do not print them",
        "Add `Targets` of `aws events list-targets-by-rule`, or write the actions.",
    )  # fmt: skip
    return {"emit": "eventbridge.target", "data": {"input": "${event}"}}

"""Targets: what EventBridge sends an event to, as actions.

An API destination, or a stage of API Gateway, is a `call`. Any other target becomes an
`emit` that carries what would have been sent, so that something of one's own can answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from automations.importing.cloudformation import Template
from automations.importing.eventbridge_connection import authorization, header
from automations.importing.eventbridge_input import Sent
from automations.importing.notes import Notes
from automations.importing.parts import Form, listed, mapped
from automations.importing.spelling import literal

_GATEWAY = re.compile(r"arn:[\w-]+:execute-api:([\w-]+):\d*:([^/]+)/([^/]+)/([^/]+)/?(.*)")
_KNOWN = frozenset(
    ("Id", "Arn", "Input", "InputPath", "InputTransformer", "HttpParameters", "RetryPolicy",
     "DeadLetterConfig", "RoleArn")
)  # fmt: skip
_ADVICE = "It became an event: let a rule or a flow of yours answer it."


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where API destinations lead, by ARN or by logical name, and the template around."""

    known: Mapping[str, Form]
    template: Template

    def of(self, target: Form) -> Form | None:
        arn = target.get("Arn")
        if (name := self.template.resource(arn)) is not None:
            resource = self.template.resources[name]
            if resource.get("Type") == "AWS::Events::ApiDestination":
                properties = resource.get("Properties")
                return {"Name": name, **(properties if isinstance(properties, dict) else {})}
            return None
        return self.known.get(arn) if isinstance(arn, str) else None


def action(target: Form, destinations: Destinations, sent: Sent, notes: Notes) -> Form:
    """Always an action: of what has no equal, an event that says so."""
    for name in target.keys() - _KNOWN:
        notes.at(name).missing(f"`{name}`", "it means something to its own kind of target alone")
    _tell_delivery(target, notes)
    template = destinations.template
    if destination := destinations.of(target):
        return _call(target, destination, (destinations, sent), notes)
    if (named := template.resource(target.get("Arn"))) is not None:
        kind = template.resources[named].get("Type")
        return _carried(target, f"the {kind} `{named}`", sent, notes)
    arn = str(template.resolved(target.get("Arn"), notes.at("Arn")))
    if gateway := _GATEWAY.fullmatch(arn):
        return _gateway(target, gateway, (destinations, sent), notes)
    if ":api-destination/" in arn:
        notes.at("Arn").missing(
            f"the API destination {arn}", "its URL is not in the document",
            "Add the output of `aws events list-api-destinations`, or put the URL.",
        )  # fmt: skip
        host = arn.partition(":api-destination/")[2].split("/")[0]
        unknown = {"InvocationEndpoint": f"https://{quote(host)}.invalid/"}
        return _call(target, unknown, (destinations, sent), notes)
    return _carried(target, f"the target {arn}", sent, notes)


def _tell_delivery(target: Form, notes: Notes) -> None:
    if target.get("RetryPolicy"):
        notes.at("RetryPolicy").differs(
            "`RetryPolicy`", "a call is retried for 24 hours here, with growing pauses"
        )
    if target.get("DeadLetterConfig"):
        notes.at("DeadLetterConfig").differs(
            "`DeadLetterConfig`", "what is given up is kept here", "See `ensue dead ls`."
        )


def _carried(target: Form, what: str, sent: Sent, notes: Notes) -> Form:
    notes.missing(what, "there is no action for it here", _ADVICE)
    return {
        "emit": "eventbridge.target",
        "subject": literal(str(target.get("Id") or "target")),
        "data": {"target": literal(what), "input": sent.body(target, notes)},
    }


def _call(target: Form, destination: Form, around: tuple[Destinations, Sent], notes: Notes) -> Form:
    destinations, sent = around
    template = destinations.template
    here = notes.at("HttpParameters")
    parameters = mapped(target.get("HttpParameters"), here)
    url = _url(destination, parameters, around, here)
    call: Form = {"call": url}
    method = str(destination.get("HttpMethod") or "POST")
    if method != "POST":
        call["method"] = method
    headers = authorization(destination, template, notes)
    asked = here.at("HeaderParameters")
    for key, value in mapped(parameters.get("HeaderParameters"), asked).items():
        headers[key] = header(key, value, sent, asked.at(key))
    if headers:
        call["headers"] = headers
    if destination.get("InvocationRateLimitPerSecond"):
        notes.differs(
            "`InvocationRateLimitPerSecond`", "calls are not limited by the second",
            "A `throttle` of the rule limits how often it fires.",
        )  # fmt: skip
    if method not in {"GET", "HEAD"}:
        call["body"] = sent.body(target, notes)
    return call


def _url(
    destination: Form, parameters: Form, around: tuple[Destinations, Sent], notes: Notes
) -> str:
    destinations, sent = around
    endpoint = destinations.template.resolved(destination.get("InvocationEndpoint"), notes)
    url = str(literal(str(endpoint).replace("<", "").replace(">", "")))
    joint = "&" if "?" in url else "?"
    here = notes.at("PathParameterValues")
    for number, value in enumerate(listed(parameters.get("PathParameterValues"), here)):
        url = url.replace("*", sent.text(value, here.at(number)), 1)
    here = notes.at("QueryStringParameters")
    query = mapped(parameters.get("QueryStringParameters"), here)
    asked = [
        f"{quote(str(key))}={_asked(sent.text(value, here.at(key)))}"
        for key, value in query.items()
    ]
    return url + joint + "&".join(asked) if asked else url


def _asked(text: str) -> str:
    return text if "${" in text else quote(text)


def _gateway(
    target: Form, found: re.Match[str], around: tuple[Destinations, Sent], notes: Notes
) -> Form:
    region, api, stage, method, path = found.groups()
    notes.at("Arn").differs(
        "API Gateway", "EventBridge signs what it sends there; a `call` carries no such signature"
    )
    destination = {
        "InvocationEndpoint": f"https://{api}.execute-api.{region}.amazonaws.com/{stage}/{path}",
        "HttpMethod": "POST" if method == "*" else method,
    }
    return _call(target, destination, around, notes)

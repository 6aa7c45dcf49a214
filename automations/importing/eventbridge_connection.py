"""Connections: how a call authorizes itself, without a secret in a rule."""

from __future__ import annotations

import re
from typing import Any

from automations.importing.cloudformation import Template
from automations.importing.eventbridge_input import Sent
from automations.importing.notes import Notes
from automations.importing.parts import Form, mapped, maps
from automations.importing.spelling import literal

_SECRET = re.compile(r"auth|key|token|secret|password|credential|cookie", re.IGNORECASE)
_NOT_VARIABLE = re.compile(r"[^A-Z0-9]+")


def header(key: str, value: Any, sent: Sent, notes: Notes) -> Any:
    """A value that looks like a secret is not written down."""
    if _SECRET.search(key) and not str(value).startswith("$."):
        return _secret(key, notes)
    return sent.text(value, notes)


def _secret(name: str, notes: Notes, prefix: str = "") -> Form:
    variable = _NOT_VARIABLE.sub("_", name.upper()).strip("_") or "SECRET"
    notes.differs(
        f"a secret for `{name}`", "secrets are not written into rules",
        f"Set the variable {variable} where the service runs.",
    )  # fmt: skip
    return {"env": variable, **({"prefix": prefix} if prefix else {})}


def authorization(destination: Form, template: Template, notes: Notes) -> Form:
    """The headers that a connection adds."""
    name = template.resource(destination.get("ConnectionArn"))
    if name is None:
        if destination.get("ConnectionArn"):
            notes.missing(
                f"the connection {destination['ConnectionArn']}", "how it authorizes is not in the document",
                "Put `headers: {Authorization: {env: NAME}}`.",
            )  # fmt: skip
        return {}
    here = notes.at("connection", name)
    connection = mapped(template.resources[name].get("Properties"), here)
    parameters = mapped(connection.get("AuthParameters"), here)
    headers: Form = {}
    match connection.get("AuthorizationType"):
        case "API_KEY":
            said = mapped(parameters.get("ApiKeyAuthParameters"), here)
            key = said.get("ApiKeyName", "X-Api-Key")
            headers[str(template.resolved(key, here))] = _secret(f"{name}_API_KEY", here)
        case "BASIC":
            headers["Authorization"] = _secret(f"{name}_BASIC", here, "Basic ")
            here.info("`BASIC`", "the variable holds user:password in base64")
        case kind:
            here.missing(f"the authorization `{kind}`", "a call gets no token by itself")
    extra = mapped(parameters.get("InvocationHttpParameters"), here)
    for one, _ in maps(extra.get("HeaderParameters"), here):
        key = str(one.get("Key"))
        hidden = one.get("IsValueSecret") or _SECRET.search(key)
        headers[key] = (
            _secret(f"{name}_{key}", here)
            if hidden
            else literal(str(template.resolved(one.get("Value"), here)))
        )
    for other in ("QueryStringParameters", "BodyParameters"):
        if extra.get(other):
            here.missing(f"`{other}` of the connection", "a call adds nothing to what it is given")
    return headers

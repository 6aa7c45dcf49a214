"""Templates of CloudFormation: what their functions come to, as far as a template says it.

`Ref` of a parameter is its default; `Fn::Sub` and `Fn::Join` are carried out. What is
known only once a stack exists (the account, the ARN of a resource) becomes a placeholder
that no event equals, and a note.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.importing.notes import Notes

_SUBSTITUTE = re.compile(r"\$\{(!?)([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """Parameters with their defaults, and resources, by their logical names."""

    parameters: Mapping[str, Any]
    resources: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, document: Any) -> Template:
        """Of what is no template, an empty one."""
        if not isinstance(document, dict):
            return cls({}, {})
        parameters, resources = document.get("Parameters"), document.get("Resources")
        return cls(
            {
                name: one["Default"]
                for name, one in (parameters if isinstance(parameters, dict) else {}).items()
                if isinstance(one, dict) and "Default" in one
            },
            {
                name: one
                for name, one in (resources if isinstance(resources, dict) else {}).items()
                if isinstance(one, dict)
            },
        )

    def resource(self, value: Any) -> str | None:
        """The logical name of the resource that a value refers to."""
        if not isinstance(value, dict) or len(value) != 1:
            return None
        [(function, said)] = value.items()
        name: Any = None
        if function == "Ref":
            name = said
        elif function == "Fn::GetAtt" and isinstance(said, str):
            name = said.split(".")[0]
        elif function == "Fn::GetAtt":
            name = said[0] if isinstance(said, list) and said else said
        elif function == "Fn::Sub" and isinstance(said, str):
            found = re.fullmatch(r"\$\{([A-Za-z0-9]+)(\.\w+)?\}", said)
            name = found and found[1]
        return name if isinstance(name, str) and name in self.resources else None

    def resolved(self, value: Any, notes: Notes) -> Any:
        """The value without functions."""
        if isinstance(value, list):
            return [self.resolved(item, notes.at(number)) for number, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, said)] = value.items()
            if function == "Ref" or function.startswith(("Fn::", "!")):
                return self._called(function, said, notes)
        return {key: self.resolved(item, notes.at(key)) for key, item in value.items()}

    def _called(self, function: str, said: Any, notes: Notes) -> Any:
        match function, said:
            case "Ref", str():
                return self._named(said, notes)
            case "Fn::GetAtt", [str() as name, str() as attribute, *_]:
                return self._unknown(f"{name}.{attribute}", notes)
            case "Fn::Sub", str():
                return self._substituted(said, {}, notes)
            case "Fn::Sub", [str() as text, dict() as values]:
                return self._substituted(text, self.resolved(values, notes), notes)
            case "Fn::Join", [str() as glue, list() as parts]:
                return glue.join(str(self.resolved(part, notes)) for part in parts)
            case _:
                return self._unknown(function, notes)

    def _named(self, name: str, notes: Notes) -> Any:
        if name not in self.parameters:
            return self._unknown(name, notes)
        notes.info(f"the parameter `{name}`", f"its default was put: {self.parameters[name]}")
        return self.parameters[name]

    def _substituted(self, text: str, values: Mapping[str, Any], notes: Notes) -> str:
        def put(found: re.Match[str]) -> str:
            if found[1]:
                return f"${{{found[2]}}}"
            name = found[2]
            return str(values[name] if name in values else self._named(name, notes))

        return _SUBSTITUTE.sub(put, text)

    @staticmethod
    def _unknown(name: str, notes: Notes) -> str:
        notes.missing(
            f"`{name}`", "its value is known only where the template is deployed", "Put the value."
        )
        return f"<{name}>"

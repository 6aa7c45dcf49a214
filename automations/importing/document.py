"""A document of another system, read as leniently as that system reads it.

JSON, or YAML 1.1 with the tags of CloudFormation templates: `!Ref Name` becomes the map
that the long form is, `{"Ref": "Name"}`; any other tag becomes `{"!tag": value}`. Nothing
is made of a tag but such maps.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from base.errors import ConfigurationError

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 64

_SHORT = {"Ref": "Ref", "Condition": "Condition"}


def read_document(raw: bytes, file: str) -> Any:
    """A JSON value. Raises ConfigurationError (`document_invalid`, `too_large`) with the place."""
    if len(raw) > MAX_BYTES:
        raise ConfigurationError(
            f"{len(raw):,} bytes are too many: a document has at most {MAX_BYTES:,}",
            code="too_large",
            place=file,
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid("the file is not UTF-8", file) from None
    value = _from_json(text) if text.lstrip()[:1] in {"{", "["} else None
    if value is None:
        value = _from_yaml(text, file)
    return _Plain(file).of(value, 0)


def _from_json(text: str) -> Any:
    """None where it is not JSON; it may be YAML then."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_SafeLoader: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_SafeLoader):  # type: ignore[misc]  # either base does the same
    """YAML 1.1 without times; what has an unknown tag stays visible."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, shape) for tag, shape in known if tag != "tag:yaml.org,2002:timestamp"]
    for letter, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    if not tag.isalnum():
        return {f"!{tag}": value}
    return {_SHORT.get(tag, f"Fn::{tag}"): value}


def _map(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    """A key given twice is refused: of two, one would be lost in silence."""
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in seen:
                raise ConstructorError(
                    None, None, f"the key `{key.value}` is given twice", key.start_mark
                )
            seen.add(key.value)
    loader.flatten_mapping(node)
    built: dict[Hashable, Any] = loader.construct_mapping(node, deep=True)
    return built


_Loader.add_multi_constructor("!", _tagged)
_Loader.add_constructor("tag:yaml.org,2002:map", _map)


def _from_yaml(text: str, file: str) -> Any:
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise _invalid(error.problem or "this is neither JSON nor YAML", place) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _invalid("this is neither JSON nor YAML", file) from None
    documents = [document for document in documents if document is not None]
    return documents[0] if len(documents) == 1 else documents


class _Plain:
    """JSON out of what YAML may hold; bounded, for aliases can make much of little."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._left = MAX_VALUES

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise ConfigurationError(
                f"a document has at most {MAX_VALUES:,} values, {MAX_DEPTH} levels deep",
                code="too_large",
                place=self._file,
            )
        if isinstance(value, dict):
            return {str(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.of(item, depth + 1) for item in value]
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float) and value - value == 0:
            return value
        return str(value)


def _invalid(message: str, place: str) -> ConfigurationError:
    return ConfigurationError(
        message, code="document_invalid", place=place, hint="JSON or YAML is read"
    )

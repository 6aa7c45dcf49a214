"""A flow's parameters: bound to its function's signature, and validated by pydantic.

Values are coerced as pydantic does by default ("5" becomes 5 for an `int`), so that what
arrives as JSON fits the annotations. A parameter without an annotation, or with one that
cannot be resolved at run time, takes anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cached_property
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_type_hints

from ensue.encoding import to_json
from ensue.errors import ParametersInvalidError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class FlowParameters:
    """The parameters of one function.

    Building it is cheap: pydantic is loaded, and the annotations compiled, when the first
    value is validated.
    """

    def __init__(self, flow: str, fn: Callable[..., Any]) -> None:
        self._flow = flow
        self._fn = fn
        self.signature = inspect.signature(fn)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """A call's arguments by parameter, with defaults, as they are.

        Raises ParametersInvalidError that names every parameter missing or unknown.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            problems = self._misfits(args, kwargs) or [("arguments", str(error))]
            raise ParametersInvalidError(self._flow, problems) from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def from_mapping(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same from values by name, as they come from outside the process."""
        if problems := self._misfits((), values):
            raise ParametersInvalidError(self._flow, problems)
        arguments: dict[str, Any] = {}
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is Parameter.VAR_POSITIONAL:
                arguments[name] = ()
            elif parameter.kind is Parameter.VAR_KEYWORD:
                arguments[name] = {k: v for k, v in values.items() if k not in self._named}
            else:
                arguments[name] = values.get(name, parameter.default)
        return arguments

    def validate(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The same arguments with values of the annotated types.

        A default the caller left alone is the author's business and is not looked at.
        Raises ParametersInvalidError with a sentence for each value that does not fit.
        """
        from pydantic import ValidationError

        fitting: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, value in arguments.items():
            parameter = self.signature.parameters[name]
            if value is parameter.default:
                fitting[name] = value
                continue
            try:
                fitting[name] = self._fit(name, parameter, value)
            except ValidationError as error:
                problems += _explain(name, error)
        if problems:
            raise ParametersInvalidError(self._flow, problems)
        return fitting

    def call_arguments(
        self, arguments: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Bound arguments as `fn(*args, **kwargs)` wants them."""
        bound = inspect.BoundArguments(self.signature, dict(arguments))
        return bound.args, bound.kwargs

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the parameters as one object.

        What pydantic cannot describe, such as a type of the user's that JSON has no word
        for, is described as anything.
        """
        properties: dict[str, Any] = {}
        required: list[str] = []
        extra: Any = False
        schemas, definitions = self._schemas()
        for name, parameter in self.signature.parameters.items():
            schema = schemas.get(name, {})
            if parameter.kind is Parameter.VAR_KEYWORD:
                extra = schema or True
            elif parameter.kind is not Parameter.VAR_POSITIONAL:
                properties[name] = schema | _default_of(parameter)
                if parameter.default is Parameter.empty:
                    required.append(name)
        whole: dict[str, Any] = {
            "$schema": _DIALECT,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": extra,
        }
        return whole | ({"$defs": definitions} if definitions else {})

    @cached_property
    def _named(self) -> frozenset[str]:
        """The parameters that can be given by name from outside."""
        variadic = {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
        found = self.signature.parameters.items()
        return frozenset(name for name, p in found if p.kind not in variadic)

    def _misfits(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[tuple[str, str]]:
        parameters = self.signature.parameters.values()
        positional = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
        placed = {p.name for p in [p for p in parameters if p.kind in positional][: len(args)]}
        problems = [
            (p.name, "is missing")
            for p in parameters
            if p.name in self._named and p.default is Parameter.empty
            if p.name not in placed and p.name not in kwargs
        ]
        if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            return problems
        return problems + [(n, self._unknown(n)) for n in kwargs if n not in self._named]

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self._named, 1)
        if near:
            return f"is not one of its parameters (did you mean {near[0]!r}?)"
        known = ", ".join(sorted(self._named))
        return f"is not one of its parameters ({known})" if known else "is given, but it takes none"

    def _fit(self, name: str, parameter: Parameter, value: Any) -> Any:
        adapter = self._adapters.get(name)
        if adapter is None:
            return value
        if parameter.kind is Parameter.VAR_POSITIONAL:
            return tuple(adapter.validate_python(item) for item in value)
        if parameter.kind is Parameter.VAR_KEYWORD:
            return {key: adapter.validate_python(item) for key, item in value.items()}
        return adapter.validate_python(value)

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        """By parameter, for those with an annotation."""
        hints = self._hints()
        return {name: _adapter(hint) for name, hint in hints.items() if hint is not Any}

    def _hints(self) -> dict[str, Any]:
        names = self.signature.parameters
        try:
            hints = get_type_hints(self._fn, include_extras=True)
        except Exception:  # noqa: BLE001 - one annotation that exists for type checkers only
            hints = {name: _evaluate(p.annotation, self._fn) for name, p in names.items()}
        return {name: hints.get(name, Any) for name in names}

    def _schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """By parameter, and the definitions they share."""
        from pydantic import TypeAdapter

        described = {n: a for n, a in self._adapters.items() if _is_describable(a)}
        schemas, shared = TypeAdapter.json_schemas(
            [(name, "validation", adapter) for name, adapter in described.items()]
        )
        return {name: schema for (name, _), schema in schemas.items()}, shared.get("$defs", {})


def _adapter(hint: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # models and dataclasses have a configuration of their own
        return TypeAdapter(hint)


def _is_describable(adapter: TypeAdapter[Any]) -> bool:
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        adapter.json_schema()
    except PydanticInvalidForJsonSchema:
        return False
    return True


def _evaluate(annotation: Any, fn: Callable[..., Any]) -> Any:
    if annotation is Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(fn, "__globals__", {}))  # noqa: S307 - the author's own annotation
    except Exception:  # noqa: BLE001 - it cannot be resolved at run time
        return Any


def _default_of(parameter: Parameter) -> dict[str, Any]:
    if parameter.default is Parameter.empty:
        return {}
    try:
        return {"default": to_json(parameter.default)}
    except ValueError:
        return {}  # optional all the same; JSON has no word for what it is


def _explain(name: str, error: Any) -> list[tuple[str, str]]:
    """As in `order.items.0`, "is not valid: Input should be …".

    The value is not repeated, as it may be a secret.
    """
    found = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        place = ".".join(str(part) for part in (name, *detail["loc"]))
        found.append((place, f"is not valid: {detail['msg']}"))
    return found

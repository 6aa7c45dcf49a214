"""What `@flow(…)` and `@task(…)` have in common: reading their options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

_ELSEWHERE = {
    "cache_policy": "results of tasks are not cached",
    "cache_key_fn": "results of tasks are not cached",
    "cache_expiration": "results of tasks are not cached",
    "refresh_cache": "results of tasks are not cached",
    "schedule": "say when a flow runs in a rule of the project's automations/ folder",
    "interval": "say when a flow runs in a rule of the project's automations/ folder",
    "cron": "say when a flow runs in a rule of the project's automations/ folder",
}


def given(decorator: str, options: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The options that are not None. Raises TypeError for one that does not exist."""
    names = frozenset(known)
    for name in options:
        if name in names:
            continue
        near = get_close_matches(name, names, 1)
        why = _ELSEWHERE.get(name) or (f"did you mean {near[0]}?" if near else "")
        raise TypeError(f"@{decorator} has no option {name!r}" + (f": {why}" if why else ""))
    return {name: value for name, value in options.items() if value is not None}


def check_function(decorator: str, fn: Any) -> None:
    if not callable(fn):
        raise TypeError(f"@{decorator} goes on a function, not on {fn!r}")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"@{decorator} cannot go on a generator: {fn.__qualname__} has a yield")


def name_of(fn: Callable[..., Any], name: Any) -> str:
    """The name given, or the function's with hyphens."""
    if name is None:
        name = getattr(fn, "__name__", type(fn).__name__).replace("_", "-")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise ValueError(f"a name must be a text that can be read, not {name!r}")
    return name


def description_of(fn: Callable[..., Any], description: Any) -> str | None:
    """The description given, or the function's docstring."""
    return str(description) if description is not None else inspect.getdoc(fn)


def tags_of(tags: Any) -> tuple[str, ...]:
    """Each once, in the order given."""
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise TypeError(f"tags must be a list of texts, not {tags!r}")
    return tuple(dict.fromkeys(str(tag) for tag in tags))


def run_name(template: Any, arguments: Mapping[str, Any], default: str) -> str:
    """`"score-{order}"` with the arguments put in, or what a function returns.

    Raises ValueError where the template names what is no parameter.
    """
    if template is None:
        return default
    if callable(template):
        return str(template())
    try:
        return str(template).format(**arguments)
    except (KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"the run name {template!r} cannot be filled in: {error!r}") from None

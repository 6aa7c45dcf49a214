"""Flows from files: one file of a project's `flows/` folder, imported under its own name.

The folder comes first on `sys.path`, so that files in it import each other, and a
`flows/events.py` is the user's `events` for them.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ensue.flows import Flow


def load_flow(file: Path, function: str) -> Flow[..., Any]:
    """The flow that the file calls `function`.

    Raises LookupError with a sentence when it has none of that name, and whatever the file
    raises while it is imported.
    """
    found = flows_of(load_module(file))
    for name, flow in found:
        if name == function:
            return flow
    names = ", ".join(name for name, _ in found) or "none"
    raise LookupError(f"{file} has no flow called {function!r}; its flows: {names}")


def load_module(file: Path) -> ModuleType:
    """The file as a module, imported once in a process."""
    file = file.resolve()
    folder = str(file.parent)
    if sys.path[:1] != [folder]:
        sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
    name = file.stem
    known = sys.modules.get(name)
    if known is not None and not _is_of(known, file):
        # The name is taken in this process, by the standard library say. Other files
        # would get that one from `import`; this one still loads.
        name = f"_flow_file_{name}"
        known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def flows_of(module: ModuleType) -> list[tuple[str, Flow[..., Any]]]:
    """The flows written in this module, by the names it calls them, from top to bottom.

    Those it imports belong to the file they come from.
    """
    found: dict[int, tuple[str, Flow[..., Any]]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Flow) and value.fn.__module__ == module.__name__:
            found.setdefault(id(value), (name, value))
    return sorted(found.values(), key=lambda named: line_of(named[1]))


def line_of(flow: Flow[..., Any]) -> int:
    """The line of its decorator."""
    code = getattr(inspect.unwrap(flow.fn), "__code__", None)
    return 0 if code is None else int(code.co_firstlineno)


def _is_of(module: ModuleType, file: Path) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is not None and Path(origin).resolve() == file

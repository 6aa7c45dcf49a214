"""`python -m ensue.describe DIR`: which flows a project has, without running any.

Imports each `DIR/flows/*.py` (or `DIR/*.py` where there is no such folder; names that
begin with `_` are not flow files) and writes one JSON document to stdout:

    {"flows": [{"name", "function", "file", "line", "description", "parameters",
                "retries", "retry_delay_seconds", "timeout_seconds", "log_prints",
                "tags", "version"}],
     "errors": [{"file", "line", "message"}]}

`function` is what the file calls the flow, `file` is relative to DIR, `parameters` is a
JSON Schema, `retry_delay_seconds` is always a list (its last number goes on; empty: no
delay). A file that cannot be imported is an error and hides no other. Of two flows of one
name neither is listed, as which of them was meant would be a guess.

What the files print goes to stderr. The process ends without waiting for threads they
may have started.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pydantic  # noqa: F401 - before the user's folder comes first on the path

from ensue.encoding import encode
from ensue.flows import Flow
from ensue.loading import flows_of, line_of, load_module
from ensue.states import describe_error


def describe(directory: Path) -> dict[str, Any]:
    """The document, as plain JSON values."""
    directory = directory.resolve()
    folder = directory / "flows"
    flows: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for file in sorted((folder if folder.is_dir() else directory).glob("*.py")):
        if file.name.startswith(("_", ".")):
            continue
        shown = str(file.relative_to(directory))
        try:
            found = flows_of(load_module(file))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code, whatever it does
            errors.append(_import_error(file, shown, error))
            continue
        for name, flow in found:
            try:
                flows.append(_description(flow, name, shown))
            except Exception as error:  # noqa: BLE001 - an annotation that pydantic refuses
                errors.append(_flow_error(flow, shown, error))
    unique, doubles = _told_apart(flows)
    return {"flows": unique, "errors": errors + doubles}


def _description(flow: Flow[..., Any], function: str, file: str) -> dict[str, Any]:
    return {
        "name": flow.name,
        "function": function,
        "file": file,
        "line": line_of(flow),
        "description": flow.description,
        "parameters": flow.parameters.json_schema(),
        "retries": flow.retries,
        "retry_delay_seconds": list(flow.retry_policy.delays),
        "timeout_seconds": flow.timeout_seconds,
        "log_prints": bool(flow.log_prints),
        "tags": list(flow.tags),
        "version": flow.version,
    }


def _told_apart(flows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The flows of unique names, and an error for each whose name another has too.

    Hyphens and underscores are one, as either spelling finds a flow.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for flow in flows:
        by_name.setdefault(flow["name"].replace("_", "-"), []).append(flow)
    unique = [group[0] for group in by_name.values() if len(group) == 1]
    errors = []
    for name, group in by_name.items():
        if len(group) > 1:
            places = " and ".join(f"{flow['file']}:{flow['line']}" for flow in group)
            told = f"The flow name {name!r} is taken more than once: {places}. Rename all but one."
            errors += [{"file": f["file"], "line": f["line"], "message": told} for f in group]
    return unique, errors


def _import_error(file: Path, shown: str, error: BaseException) -> dict[str, Any]:
    if isinstance(error, SyntaxError) and _same_file(error.filename, file):
        return {"file": shown, "line": error.lineno, "message": f"SyntaxError: {error.msg}"}
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if _same_file(frame.filename, file)]
    return {
        "file": shown,
        "line": lines[-1] if lines else None,
        "message": f"The file cannot be imported: {describe_error(error)}",
    }


def _flow_error(flow: Flow[..., Any], shown: str, error: Exception) -> dict[str, Any]:
    told = describe_error(error).partition("\n")[0]
    message = f"The parameters of the flow {flow.name!r} cannot be described: {told}"
    return {"file": shown, "line": line_of(flow), "message": message}


def _same_file(name: str | None, file: Path) -> bool:
    return name is not None and Path(name).resolve() == file.resolve()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m ensue.describe DIR, a folder", file=sys.stderr)  # noqa: T201 - a command
        return 2
    document = os.dup(1)
    os.dup2(2, 1)  # whatever the files print, also by a subprocess
    described = encode(describe(Path(arguments[0])))
    with os.fdopen(document, "wb") as stdout:
        stdout.write(described.encode("utf-8", "replace") + b"\n")
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

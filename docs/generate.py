# ruff: noqa: INP001 - a script beside the pages, no package
"""Brings the tables of the reference up to date with the code: `make docs`.

A page holds a table between two comments, and everything outside of them is written by hand:

    <!-- from the code: settings -->
    …
    <!-- until here -->

`python docs/generate.py --check` changes nothing and fails where a page is out of date.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

HERE: Final = Path(__file__).resolve().parent
BLOCK: Final = re.compile(
    r"(<!-- from the code: (?P<name>[a-z]+) -->\n).*?(<!-- until here -->)", re.DOTALL
)
_COMMON: Final = {"--json", "--api-url", "--no-color", "--debug", "--help"}
_DAY: Final = timedelta(days=1)


def main() -> int:
    stale = []
    for page in sorted(HERE.rglob("*.md")):
        text = page.read_text()
        if (renewed := renew(text)) != text:
            stale.append(str(page.relative_to(HERE.parent)))
            if "--check" not in sys.argv:
                page.write_text(renewed)
    for name in stale:
        sys.stdout.write(f"{name}\n")
    return 1 if stale and "--check" in sys.argv else 0


def renew(text: str) -> str:
    """The page with each of its tables made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{TABLES[m['name']]().strip()}\n\n{m[3]}", text)


# -- settings ------------------------------------------------------------------------------


def settings() -> str:
    from base.settings import Settings

    rows = ["| in `ensue.toml` | variable | default | |", "|---|---|---|---|"]
    for path, default, about in _settings(Settings):
        variable = (
            "" if path in ("vars", "channels") else f"`ENSUE_{path.replace('.', '_').upper()}`"
        )
        rows.append(f"| `{path}` | {variable} | {default} | {about} |")
    return "\n".join(rows)


def _settings(model: Any, above: str = "") -> Iterator[tuple[str, str, str]]:
    from pydantic import BaseModel

    words = _attribute_docs(model)
    for name, field in model.model_fields.items():
        if name == "directory":
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, f"{above}{name}.")
        else:
            yield f"{above}{name}", _default(name, field), words.get(name, "")


def _attribute_docs(model: Any) -> dict[str, str]:
    """The texts below the fields of a class, in one line each."""
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            assert isinstance(field.target, ast.Name)
            docs[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return docs


def _default(name: str, field: Any) -> str:
    from base.time import format_duration

    if name == "concurrency":
        return "four times the processors, at least 8"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, timedelta) and not value % _DAY:
        return f"`{value.days}d`"
    if isinstance(value, timedelta):
        return f"`{format_duration(value // timedelta(microseconds=1))}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and value >= 1 << 20:
        return f"`{value >> 20}MiB`"
    if value in (None, "", (), {}):
        return ""
    return f"`{value}`"


# -- the command line ----------------------------------------------------------------------


def commands() -> str:
    from ensue.cli.program import program

    root = program()
    with click.Context(root, info_name="ensue") as context:
        return "\n\n".join(_commands(root, context))


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            with click.Context(found, info_name=name, parent=context) as inner:
                yield from _commands(found, inner)
        return
    usage = command.collect_usage_pieces(context)
    arguments = " ".join(piece for piece in usage if piece != "[OPTIONS]")
    help_ = inspect.cleandoc((command.help or "").partition("\f")[0]).replace("\b\n", "")
    text = [f"### `{context.command_path}`", f"`{f'{context.command_path} {arguments}'.strip()}`"]
    text.append(_paragraphs(help_))
    rows = [row for option in command.get_params(context) if (row := _option(option, context))]
    if rows:
        text.append("\n".join(["| | |", "|---|---|", *rows]))
    yield "\n\n".join(text)


def _paragraphs(text: str) -> str:
    """Indented lines are examples."""
    told = []
    for part in text.split("\n\n"):
        example = all(line.startswith(("  ", "ensue ")) for line in part.splitlines())
        told.append(f"```sh\n{inspect.cleandoc(part)}\n```" if example else " ".join(part.split()))
    return "\n\n".join(told)


def _option(option: click.Parameter, context: click.Context) -> str | None:
    if not isinstance(option, click.Option) or _COMMON.intersection(option.opts):
        return None
    record = option.get_help_record(context)
    if record is None:
        return None
    names, about = (re.sub(r"\s+", " ", part).strip() for part in record)
    return f"| `{names.replace('|', chr(92) + '|')}` | {about} |"


# -- the API -------------------------------------------------------------------------------


def routes() -> str:
    rows = ["| | | parameters | answers |", "|---|---|---|---|"]
    for route in asyncio.run(_routes()):
        names = ", ".join(f"`{parameter.name}`" for parameter in route.query)
        codes = ", ".join(str(status) for status in (route.status, *route.errors))
        about = route.about.replace("|", "\\|")
        rows.append(f"| `{route.method} {route.path}` | {about} | {names} | {codes} |")
    return "\n".join(rows)


async def _routes() -> list[Any]:
    """The routes of a service that was composed and not started."""
    from base import settings as base_settings
    from server import app as root
    from server import face
    from server.refusals import Refusals
    from server.stream import LiveStream

    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        async with root.composed(base_settings.load(Path(folder), environ={})) as app:
            floors = app.floors
            stream = LiveStream(floors.journal, floors.database)
            return list(face.routes(floors, Refusals(floors.journal), stream, str))


# -- metrics -------------------------------------------------------------------------------


def metrics() -> str:
    from base.metrics import Metrics

    rows = ["| | labels | |", "|---|---|---|"]
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_documentation"):
            name = metric._name + ("_total" if metric._type == "counter" else "")  # noqa: SLF001 - nowhere public
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - likewise
            rows.append(f"| `{name}` ({metric._type}) | {labels} | {metric._documentation} |")  # noqa: SLF001 - likewise
    return "\n".join(rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "settings": settings,
    "commands": commands,
    "routes": routes,
    "metrics": metrics,
}

if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    sys.exit(main())

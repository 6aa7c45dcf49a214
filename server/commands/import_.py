"""`ensue import`: rules that people already have, as rules of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from automations.importing import Draft, Imported, Note

_STYLES = {"missing": "red", "refused": "red", "differs": "yellow", "info": "dim"}


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """What to read, and where the rules go."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--force", is_flag=True, help="Replace files that are there."),
        click.option(
            "-o",
            "--output",
            metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="Write one file for each rule into DIR, instead of printing them.",
        ),
        click.argument("file", type=click.Path(path_type=Path, dir_okay=False)),
    ):
        command = option(command)
    return command


@click.group("import")
def command() -> None:
    """Turn rules of another system into rules of ours, with notes on what differs."""


@command.command("prefect")
@click.option(
    "--name",
    "names",
    metavar="ID=NAME",
    multiple=True,
    help="What an id of Prefect's stands for: of a deployment its flow, of a block its channel "
    "or its URL. May be given often.",
)
@_common
def prefect(
    names: tuple[str, ...], file: Path, output: Path | None, force: bool, as_json: bool
) -> None:
    """Import automations of Prefect from YAML or JSON: one, or a list.

    Each rule is written with what has no equal as comments above it. A rule of which
    something is missing is put in shadow: it is evaluated and recorded, and does not act.

    \b
      ensue import prefect automation.yaml
      ensue import prefect automations.json -o automations/ --name 37ca4a08-e2d9-4628-a310-cc15a323378e=load-orders
    """  # noqa: D301 - click wants the character \b itself
    from automations.importing import from_prefect

    _import(file, partial(from_prefect, names=_named(names)), output, (force, as_json))


@command.command("eventbridge")
@_common
def eventbridge(file: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Import rules of Amazon EventBridge: from `describe-rule`, `list-rules`, or a template.

    The command line of AWS prints rules without their targets. Join them in one document:

    \b
      jq -s add rule.json targets.json destinations.json > whole.json
      ensue import eventbridge whole.json
      ensue import eventbridge template.yaml -o automations/
    """  # noqa: D301 - click wants the character \b itself
    from automations.importing import from_eventbridge

    _import(file, from_eventbridge, output, (force, as_json))


def _import(
    file: Path,
    importer: Callable[[Any], Imported],
    output: Path | None,
    how: tuple[bool, bool],
) -> None:
    from automations.importing import read_document, written
    from base.errors import UnprocessableError
    from server.commands import output as printed

    force, as_json = how
    imported = importer(read_document(_content(file), str(file)))
    if not imported.drafts:
        raise UnprocessableError(
            "there is no rule in this document", code="nothing_to_import", place=str(file)
        )
    texts = {draft.name: written(draft, file.name) for draft in imported.drafts}
    files = _write(texts, output, force=force) if output else {}
    if printed.json_wanted(as_json):
        printed.as_json(_told(imported, texts, files, str(file)))
        return
    if not output:
        click.echo("---\n".join(texts.values()), nl=False)
    for path in files.values():
        click.echo(f"  created  {path}")
    _print_notes(printed.console(stderr=True), imported, str(file))


def _content(file: Path) -> bytes:
    from automations.importing import MAX_BYTES
    from base.errors import ConfigurationError

    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}", code="file_unreadable"
        ) from None


def _named(pairs: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        id_, equals, name = pair.partition("=")
        if not (id_ and equals and name):
            raise click.BadParameter(f"{pair!r} is not ID=NAME", param_hint="--name")
        names[id_] = name
    return names


def _write(texts: dict[str, str], directory: Path, *, force: bool) -> dict[str, Path]:
    """All files or none: what is in the way is told before anything is written."""
    from base.errors import ConfigurationError, ConflictError

    files = {name: directory / f"{name}.yaml" for name in texts}
    there = [str(path) for path in files.values() if path.exists()]
    if there and not force:
        raise ConflictError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already",
            code="file_exists",
            hint="name another directory, or say --force",
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            path.write_text(texts[name], encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from None
    return files


def _print_notes(console: Console, imported: Imported, file: str) -> None:
    from rich.table import Table
    from rich.text import Text

    noted = [(None, note) for note in imported.notes]
    rows: list[tuple[Draft | None, Note]] = [
        *noted,
        *((draft, note) for draft in imported.drafts for note in draft.notes),
    ]
    if rows:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for title in ("rule", "", "where", "what", "why", "what to do"):
            table.add_column(title, overflow="fold")
        for draft, note in rows:
            table.add_row(
                Text(draft.name if draft else file),
                Text(note.kind, style=_STYLES[note.kind]),
                Text(note.place),
                Text(note.what),
                Text(note.why),
                Text(note.advice),
            )
        console.print(table)
    shadowed = sum(bool(draft.definition.get("shadow")) for draft in imported.drafts)
    refused = sum(not draft.loads for draft in imported.drafts)
    console.print(
        Text(
            f"{file}: {_many(len(imported.drafts), 'rule')}, {_many(len(rows), 'note')}; "
            f"{shadowed} in shadow, {refused} that do not load",
            style="bold",
        )
    )


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _told(
    imported: Imported, texts: dict[str, str], files: dict[str, Path], file: str
) -> dict[str, Any]:
    return {
        "file": file,
        "notes": [_note(note, file) for note in imported.notes],
        "rules": [
            {
                "name": draft.name,
                "origin": draft.origin,
                "loads": draft.loads,
                "rule": draft.definition,
                "notes": [_note(note, file) for note in draft.notes],
                "yaml": texts[draft.name],
                "written": str(files[draft.name]) if draft.name in files else None,
            }
            for draft in imported.drafts
        ],
    }


def _note(note: Note, file: str) -> dict[str, str]:
    return {
        "file": file,
        "path": note.place,
        "kind": note.kind,
        "what": note.what,
        "why": note.why,
        "advice": note.advice,
    }

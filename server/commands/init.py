"""`ensue init`: a project directory that works at once."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Also into a directory that is not empty.")
def command(directory: Path, force: bool) -> None:
    """Make a project: a webhook, two rules with their tests, a flow, and a README.

    Files that are there already are left as they are.
    """
    from base.errors import ConfigurationError, ConflictError
    from server.commands.starter import FILES

    if directory.exists() and not directory.is_dir():
        raise ConflictError(f"{directory} is not a directory", code="not_a_directory")
    if directory.is_dir() and any(directory.iterdir()) and not force:
        raise ConflictError(
            f"{directory.resolve()} is not empty",
            code="directory_not_empty",
            hint="name another directory, or say --force to add what is missing",
        )
    try:
        for name, content in FILES.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.exists():
                click.echo(f"  kept     {file}")
                continue
            file.write_text(content, encoding="utf-8")
            click.echo(f"  created  {file}")
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from None
    _say_what_next(directory)


def _say_what_next(directory: Path) -> None:
    here = "" if directory.resolve() == Path.cwd() else f" {directory}"
    click.echo("\nNext:")
    for line, why in (
        (f"ensue test{here}", "run the tests beside the rules"),
        (f"ensue serve{here}", "and then, in another terminal:"),
        ('curl http://127.0.0.1:3678/hooks/inbox --json \'{"visitor": "Ada"}\'', ""),
        ("ensue runs ls", "see what ensued"),
    ):
        click.echo(f"  {line}" + (f"   # {why}" if why else ""))

"""`ensue schema`: the JSON Schema of a project's files, for editors."""

from __future__ import annotations

import click


@click.command("schema")
@click.argument("of", type=click.Choice(["rules", "sources"]), default="rules")
def command(of: str) -> None:
    """Print the JSON Schema of rules (automations/*.yaml) or of sources (sources/*.yaml).

    For an editor with the YAML language server:

    \b
      ensue schema > .ensue-rules.json
      # yaml-language-server: $schema=../.ensue-rules.json
    """  # noqa: D301 - click wants the character \b itself
    from automations.schema import rule_schema
    from automations.source_schema import source_schema
    from server.commands.output import as_json

    as_json(rule_schema() if of == "rules" else source_schema())

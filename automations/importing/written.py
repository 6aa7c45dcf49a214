"""Rules as YAML, with their notes as comments above them.

What is written is read back by the strict reader of rules: text that YAML 1.2 would take
for a number is quoted, and nothing is an alias.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import yaml

from automations.importing.draft import Draft

WIDTH = 100
_NUMBER = re.compile(
    r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)"
)


class _Dumper(yaml.SafeDumper):
    """Plain maps and lists, lists indented, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class's
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - the base class's
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if not all(letter.isprintable() or letter == "\n" for letter in text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif _NUMBER.fullmatch(text):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def written(draft: Draft, source: str) -> str:
    """The file of a rule; `source` says where it came from."""
    lines = [f"Imported from {_line(draft.origin)} in {_line(source)}."]
    if draft.notes:
        lines += ["", *(line for note in draft.notes for line in _wrapped(_line(str(note))))]
    if draft.definition.get("shadow"):
        lines += ["", "In shadow until it was looked through: take the line out to let it act."]
    comment = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    body = yaml.dump(
        dict(draft.definition), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH
    )
    return comment + body


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH - 4,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _line(text: str) -> str:
    """On one line, with nothing that could end a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

"""The project under load: a thousand rules, a tenth of the events match one, a hundredth fire."""

from __future__ import annotations

import json
from pathlib import Path

RULES = 1_000


def write(directory: Path, *, rules: int = RULES) -> None:
    """A project directory with rules of the mix that people write: mostly exact types."""
    (directory / "automations").mkdir(parents=True, exist_ok=True)
    documents = [_rule(n) for n in range(rules)]
    text = "\n---\n".join(json.dumps(document) for document in documents)
    (directory / "automations" / "bench.yaml").write_text(text)


def _rule(n: int) -> dict[str, object]:
    # 18 in 100 by a glob, 2 by a suffix inside; the rest name their type.
    kind = f"bench.kind{n}.created"
    if n % 100 < 18:
        kind = f"bench.kind{n}.*"
    match: dict[str, object] = {"data": {"country": ["DE", "FR"]}}
    if n % 3 == 0:
        match = {"data": {"country": ["DE", "FR"], "total": [{"numeric": [">", 0]}]}}
    return {
        "name": f"bench-{n}",
        "trigger": {"event": kind, "match": match, "where": "event.data.total > 1000.0"},
        "actions": [{"emit": "bench.result", "data": {"of": "${event.id}"}}],
    }


COUNTED = "bench.counted"
TIME = "2026-01-01T12:00:00Z"


def write_count(directory: Path, *, at_least: int) -> None:
    """A project directory with one rule, which counts by subject."""
    (directory / "automations").mkdir(parents=True, exist_ok=True)
    count = {"count": COUNTED, "at_least": at_least, "within": "10m", "per": "subject"}
    rule = {
        "name": "count",
        "breaker": 1_000_000,
        "trigger": count,
        "actions": [{"emit": "bench.result", "data": {"of": "${firing.key}"}}],
    }
    (directory / "automations" / "count.yaml").write_text(json.dumps(rule))


# What the load sends: {type} is a rule's in one of ten, {total} is over the bound in one of a hundred.
BODY = (
    '{{"specversion":"1.0","id":"{id}","source":"/bench/shop","type":"{type}",'
    '"subject":"{subject}","time":"' + TIME + '","datacontenttype":"application/json",'
    '"data":{{"order":"ord_1234567890","total":{total},"country":"DE","customer":'
    '{{"name":"Ada Lovelace","email":"ada@example.com"}},"items":[{{"sku":"X-1","n":2}},'
    '{{"sku":"Y-22","n":1}}],"note":"please leave it with the neighbours"}}}}'
)

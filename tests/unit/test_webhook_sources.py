"""Files of sources: the good hooks stand, and each problem has its line."""

from __future__ import annotations

from events.webhooks import Surroundings, load_sources

GOOD = """\
webhooks:
  lab: {verify: none}
  github:
    verify: {scheme: github, secret: {env: SECRET}}
    event: {type: "code.${headers['x-github-event']}"}
"""
BAD = """\
webhooks:
  shop:
    verify: {scheme: gihub}
    evnt: {}
  fine: {verify: none}
  lab: {verify: none}
  odd name: {verify: none}
kafka:
  orders: {topics: [orders.v1]}
webhook: {}
"""


def _load(directory, **files):
    sources = directory / "sources"
    sources.mkdir()
    for name, text in files.items():
        (sources / f"{name}.yaml").write_text(text)
    return load_sources(sources, around=Surroundings(directory, {"SECRET": "s"}))


def _told(sources):
    return [(p.file.rsplit("/", 1)[-1], p.line, p.column, p.code, p.hook) for p in sources.problems]


def test_hooks_are_read_from_all_files(tmp_path):
    sources = _load(tmp_path, a=GOOD, b="webhooks: {other: {verify: none}}\n")
    assert set(sources.hooks) == {"lab", "github", "other"}
    assert sources.hooks["github"].scheme.name == "github"
    assert sources.problems == ()


def test_what_is_wrong_is_told_with_its_line_and_the_rest_stands(tmp_path):
    sources = _load(tmp_path, a=GOOD, b=BAD, c="webhooks: {x: &a 1}\n", d="- 1\n")
    assert set(sources.hooks) == {"lab", "github", "fine"}
    assert _told(sources) == [
        ("b.yaml", 10, 1, "field_unknown", None),
        ("b.yaml", 9, 3, "kafka_unsupported", None),
        ("b.yaml", 4, 5, "field_unknown", "shop"),
        ("b.yaml", 3, 22, "scheme_unknown", "shop"),
        ("b.yaml", 6, 3, "name_taken", "lab"),
        ("b.yaml", 7, 3, "source_invalid", "odd name"),
        ("c.yaml", 1, 15, "yaml_invalid", None),
        ("d.yaml", 1, 1, "source_invalid", None),
    ]
    assert "Kafka sources are not supported by this version" in str(sources.problems[1])


def test_one_broken_file_hides_nothing_of_the_others(tmp_path):
    sources = _load(tmp_path, a="webhooks: [\n", b=GOOD)
    assert set(sources.hooks) == {"lab", "github"}
    assert [problem.code for problem in sources.problems] == ["yaml_invalid"]


def test_a_project_without_sources_has_none(tmp_path):
    sources = load_sources(tmp_path / "sources")
    assert (sources.hooks, sources.problems) == ({}, ())


def test_other_files_and_hidden_ones_are_left_alone(tmp_path):
    _load(tmp_path, a=GOOD)
    (tmp_path / "sources" / "notes.txt").write_text("not: [yaml")
    (tmp_path / "sources" / ".a.yaml").write_text("not: [yaml")
    around = Surroundings(tmp_path, {"SECRET": "s"})
    assert load_sources(tmp_path / "sources", around=around).problems == ()


def test_a_file_of_secrets_is_found_from_the_project(tmp_path):
    (tmp_path / "shop.secret").write_text("s3cret\n")
    text = "webhooks: {shop: {verify: {scheme: bearer, secret: {file: shop.secret}}}}\n"
    assert set(_load(tmp_path, a=text).hooks) == {"shop"}


def test_hooks_are_equal_when_their_definitions_are(tmp_path):
    one = _load(tmp_path, a=GOOD).hooks
    around = Surroundings(tmp_path, {"SECRET": "s"})
    again = load_sources(tmp_path / "sources", around=around).hooks
    assert one == again
    (tmp_path / "sources" / "a.yaml").write_text(GOOD.replace("code.", "git."))
    changed = load_sources(tmp_path / "sources", around=around).hooks
    assert [name for name in one if one[name] != changed[name]] == ["github"]

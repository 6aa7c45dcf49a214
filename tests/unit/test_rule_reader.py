import pytest

from automations.reader import gather, read_rules
from base.errors import NotFoundError

RULE = "name: {name}\ntrigger: {{event: x}}\nactions: [{{run: f}}]\n"


def rule(name):
    return RULE.format(name=name)


def loaded(**files):
    return gather((f"{name}.yaml", text.encode()) for name, text in files.items())


def names(found):
    return [one.rule.name for one in found.rules]


def test_a_file_holds_one_rule_a_list_or_several_documents():
    found = loaded(
        one=rule("a"),
        many="- {name: b, trigger: {event: x}, actions: [{run: f}]}\n"
        "- {name: c, trigger: {event: x}, actions: [{run: f}]}\n",
        documents=f"{rule('d')}---\n{rule('e')}",
    )
    assert names(found) == ["a", "b", "c", "d", "e"]
    assert [(one.file, one.line) for one in found.rules] == [
        ("one.yaml", 1),
        ("many.yaml", 1),
        ("many.yaml", 2),
        ("documents.yaml", 1),
        ("documents.yaml", 5),
    ]
    assert found.problems == ()


def test_a_broken_file_hides_no_other():
    found = loaded(a="name: [", b=rule("b"))
    assert names(found) == ["b"]
    (problem,) = found.problems
    assert (problem.file, problem.code) == ("a.yaml", "yaml_invalid")
    assert found.files == ("a.yaml", "b.yaml")


def test_a_broken_rule_hides_no_neighbour_and_says_its_name_and_lines():
    text = f"{rule('a')}---\nname: b\ntriger: {{}}\ntrigger:\n  event: x\n  where: event.tpye == 1\nactions:\n- run: f\n  delay: -5\n---\n{rule('c')}"
    found = loaded(rules=text)
    assert names(found) == ["a", "c"]
    assert [(p.line, p.column, p.code, p.automation) for p in found.problems] == [
        (6, 1, "field_unknown", "b"),
        (9, 10, "attribute_unknown", "b"),
        (12, 10, "rule_invalid", "b"),
    ]
    assert str(found.problems[0]) == (
        "rules.yaml:6:1: triger: there is no field `triger` here (did you mean `trigger`?)"
    )


def test_two_rules_of_one_name_are_told_with_both_files_and_the_first_stands():
    found = loaded(a=rule("x"), b=f"# a comment\n{rule('x')}")
    assert [(one.rule.name, one.file) for one in found.rules] == [("x", "a.yaml")]
    (problem,) = found.problems
    assert problem.code == "name_taken"
    assert (problem.file, problem.line, problem.column) == ("b.yaml", 2, 7)
    assert "a.yaml:1" in problem.message
    assert "`x`" in problem.message


def test_a_document_that_is_no_rule_says_so():
    found = loaded(a="just text", b="- 5")
    assert [problem.message for problem in found.problems] == [
        'a rule is a map of fields, not "just text"',
        "a rule is a map of fields, not 5",
    ]


def test_an_empty_file_holds_nothing():
    found = loaded(a="", b="# nothing yet\n", c="[]")
    assert (found.rules, found.problems) == ((), ())


def test_a_directory_is_read_in_order_with_its_folders(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b.yaml").write_text(rule("b"))
    (tmp_path / "a.yml").write_text(rule("a"))
    (tmp_path / "sub" / "c.yaml").write_text(rule("c"))
    (tmp_path / ".git" / "d.yaml").write_text(rule("d"))
    (tmp_path / ".hidden.yaml").write_text(rule("e"))
    (tmp_path / "notes.txt").write_text("not yaml: [")
    assert names(read_rules(tmp_path)) == ["a", "b", "c"]


def test_one_file_can_be_read_whatever_it_is_called(tmp_path):
    file = tmp_path / "rule.txt"
    file.write_text(rule("a"))
    assert names(read_rules(file)) == ["a"]


def test_a_path_with_nothing_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="there is nothing at"):
        read_rules(tmp_path / "missing")


def test_a_file_that_cannot_be_read_is_a_problem():
    found = gather(
        [("a.yaml", PermissionError(13, "Permission denied")), ("b.yaml", rule("b").encode())]
    )
    assert names(found) == ["b"]
    assert found.problems[0].code == "file_unreadable"
    assert "Permission denied" in found.problems[0].message


def test_an_oversized_file_is_a_problem(tmp_path):
    (tmp_path / "a.yaml").write_text("# " + "x" * 2**20)
    (problem,) = read_rules(tmp_path).problems
    assert problem.code == "too_large"
    assert (problem.line, problem.column) == (1, 1)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("name: a\ntrigger: {event: &x y}\nactions: [{run: f}]", 2, 18),
        ("name: a\ntrigger: {event: x}\nactions: *x", 3, 10),
        ("name: !!str a\n", 1, 7),
        ("name: a\nname: b\n", 2, 1),
        ("name: a\ntrigger:\n\tevent: x\n", 3, 1),
    ],
)
def test_what_is_not_strict_yaml_is_told_with_line_and_column(text, line, column):
    (problem,) = loaded(a=text).problems
    assert (problem.line, problem.column) == (line, column)


def test_on_stays_a_string_in_a_rule():
    text = "name: a\ntrigger: {event: x, match: {data: {on: [on, yes]}}}\nactions: [{run: f, with: {on: off}}]"
    (found,) = loaded(a=text).rules
    assert found.rule.definition["trigger"][0]["match"] == {"data": {"on": ["on", "yes"]}}
    assert found.rule.definition["actions"][0]["with"] == {"on": "off"}

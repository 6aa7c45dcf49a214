"""Cursors come back as they went, and nothing else passes for one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from base.errors import InvalidInputError
from server.cursor import seal, unseal

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(TEXTS, NUMBERS)
def test_a_cursor_is_read_as_it_was_made(text, number):
    assert unseal("list", seal("list", number, text), (int, str)) == [number, text]


@given(st.text())
@example("")
@example(base64.urlsafe_b64encode(b"x" * 20).decode())
def test_other_text_is_no_cursor(text):
    with pytest.raises(InvalidInputError) as refused:
        unseal("list", text, (str,))
    assert refused.value.code == "cursor_invalid"


@given(st.data())
def test_a_cursor_that_was_changed_is_none(data):
    cursor = seal("list", "where the page ended")
    at = data.draw(st.integers(0, len(cursor) - 2))
    other = data.draw(st.sampled_from("ABCxyz019_-").filter(lambda letter: letter != cursor[at]))
    with pytest.raises(InvalidInputError):
        unseal("list", cursor[:at] + other + cursor[at + 1 :], (str,))


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        (seal("other", "a"), (str,)),
        (seal("list", "a"), (int,)),
        (seal("list", "a"), (str, str)),
        (seal("list", 1 << 63), (int,)),
        (seal("list", 1, "a\0b"), (int, str)),
        (seal("list", True), (int,)),
    ],
    ids=["another list", "a text for a number", "too few", "too large", "a NUL", "a truth"],
)
def test_a_cursor_that_does_not_fit_its_list_is_refused(made, kinds):
    with pytest.raises(InvalidInputError):
        unseal("list", made, kinds)

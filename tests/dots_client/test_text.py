from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client import clean_text
from dots_client.text import MAX_TEXT


@given(st.text() | st.binary(), st.integers(1, 50))
def test_text_is_printable_on_one_line_and_bounded(text: str | bytes, limit: int) -> None:
    line = clean_text(text, limit)

    assert line.isprintable()
    assert len(line) <= limit
    assert line == " ".join(line.split())
    line.encode()


@given(st.text() | st.binary())
def test_clean_text_stays_as_it_is(text: str | bytes) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("overlap with mid 7", "overlap with mid 7"),
        ("für Köln, 東京", "für Köln, 東京"),
        ("drop\0all", "drop all"),
        ("one\r\ntwo\n\n three\t", "one two three"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x85\u2028\u2029\x7f\x9b", ""),
        ("a\u202eb\u2066c\u200fd\ufeffe\u200bf", "a b c d e f"),
        ("\ud800half", "half"),
        ("\U000e0041tag", "tag"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "caf\ufffd"),
        (b"\0\1\2", ""),
    ],
)
def test_unprintable_characters_become_a_space(text: str | bytes, line: str) -> None:
    assert clean_text(text) == line


@pytest.mark.parametrize("text", ["x" * 301, "x " * 1000, b"x" * 70_000, "x" + "\0" * 1300 + "y"])
def test_cut_text_ends_in_an_ellipsis(text: str | bytes) -> None:
    line = clean_text(text)

    assert len(line) <= MAX_TEXT
    assert line.endswith("…")


def test_text_that_just_fits_is_not_cut() -> None:
    assert clean_text("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert clean_text("é".encode() * MAX_TEXT) == "é" * MAX_TEXT

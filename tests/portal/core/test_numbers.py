from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.numbers import whole_number


@given(st.text(), st.integers(0, 2**70))
def test_any_text_gives_a_number_in_range_or_none(text: str, at_most: int) -> None:
    number = whole_number(text, at_most=at_most)

    assert number is None or (0 <= number <= at_most and int(text) == number)


@given(st.integers(0, 2**63 - 1))
def test_every_number_in_range_is_read(number: int) -> None:
    assert whole_number(str(number), at_most=2**63 - 1) == number


@pytest.mark.parametrize("text", ["", "²", "٣", "-1", "+1", " 1", "1_0", "1.0", "11", "9" * 5000])
def test_text_that_only_looks_like_a_number_gives_none(text: str) -> None:
    assert whole_number(text, at_most=10) is None

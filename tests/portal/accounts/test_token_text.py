"""The text of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts import token_text

SAMPLE = "dmp_0123456789ABCDEFGHIJKLMNOPQRSTUV"
CHECKSUM = "3x4k30"
"""The CRC-32 of it: 3,621,332,642."""


@pytest.mark.parametrize("prefix", [token_text.PERSON, token_text.SERVICE])
def test_a_new_token_has_its_prefix_and_checksum(prefix: str) -> None:
    made = {token_text.make(prefix) for _ in range(50)}

    assert len(made) == 50
    assert all(one.startswith(prefix) and len(one) == 42 for one in made)
    assert not any(map(token_text.is_malformed, made))


def test_the_checksum_is_the_crc32_in_base_62() -> None:
    assert not token_text.is_malformed(f"{SAMPLE}{CHECKSUM}")


@given(st.integers(4, 41), st.sampled_from("0Aaz"))
def test_one_wrong_character_makes_it_malformed(place: int, other: str) -> None:
    right = token_text.make(token_text.PERSON)
    wrong = right[:place] + other + right[place + 1 :]

    assert token_text.is_malformed(wrong) is (wrong != right)


@pytest.mark.parametrize("text", ["", "a" * 64, "dmq_x", "0123abcd", "Dmp_" + "0" * 38])
def test_text_without_our_prefix_may_be_a_token_of_an_earlier_release(text: str) -> None:
    assert not token_text.is_malformed(text)


@pytest.mark.parametrize("text", ["dmp_", "dms_", SAMPLE, f"{SAMPLE}00000é", "dmp_" + "0" * 39])
def test_text_with_our_prefix_and_another_shape_is_malformed(text: str) -> None:
    assert token_text.is_malformed(text)

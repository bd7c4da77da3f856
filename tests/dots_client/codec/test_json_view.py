from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.codec import from_json, to_json
from dots_client.errors import DecodeError, EncodeError
from tests.dots_client.codec.test_reader import CBOR_VALUES

SCOPE = "ietf-dots-signal-channel:mitigation-scope"
CONFIG = "ietf-dots-signal-channel:signal-config"


def shown(entry: dict[Any, Any]) -> Any:
    return to_json(cbor2.dumps({1: {2: [entry]}}))[SCOPE]["scope"][0]


def test_an_empty_body_is_null() -> None:
    assert to_json(b"") is None
    assert to_json(b"\xf6") is None


def test_unknown_keys_are_shown_by_number() -> None:
    assert shown({250: b"\x01", 60: {1: [True]}, "x": None}) == {
        "250": "01",
        "60": {"1": [True]},
        "x": None,
    }


def test_values_of_another_type_than_expected_are_shown_as_they_are() -> None:
    entry = {16: 99, 15: "now", 2: 5, 17: 5, 14: 1.5, 43: cbor2.CBORTag(4, [-2]), 13: float("inf")}

    assert shown(entry) == {
        "status": 99,
        "mitigation-start": "now",
        "scope": 5,
        "conflict-information": 5,
        "lifetime": 1.5,
        "current-value-decimal": "CBORTag(4, [-2])",
        "alias-name": "inf",
    }


def test_an_exponent_that_only_equals_a_number_makes_no_decimal() -> None:
    entry = {43: cbor2.CBORTag(4, [cbor2.CBORSimpleValue(8), 100])}

    assert "CBORTag(4" in shown(entry)["current-value-decimal"]


def test_a_tag_around_an_unknown_value_is_shown() -> None:
    assert shown({250: cbor2.CBORTag(99, [1])})["250"] == "CBORTag(99, (1,))"


@given(st.binary(max_size=100) | CBOR_VALUES.map(cbor2.dumps))
def test_any_bytes_are_shown_as_json_or_raise_decode_error(data: bytes) -> None:
    try:
        view = to_json(data)
    except DecodeError:
        return
    json.dumps(view, allow_nan=False)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"lifetimes": 1},
        {SCOPE: 5},
        {SCOPE: {"scope": [5]}},
        {SCOPE: {"scope": [{"status": "attack-imagined"}]}},
        {CONFIG: {"idle-config": {"ack-timeout": {"current-value-decimal": "two"}}}},
        {CONFIG: {"idle-config": {"ack-timeout": {"current-value-decimal": "2.001"}}}},
        {SCOPE: {"scope": [{"lifetime": object()}]}},
    ],
)
def test_json_that_describes_no_body_is_refused(value: Any) -> None:
    with pytest.raises(EncodeError):
        from_json(value)


def test_protocol_rules_are_not_enforced_so_that_malformed_bodies_can_be_made() -> None:
    body = from_json({SCOPE: {"scope": [{"lifetime": 0, "mitigation-start": "soon", "scope": 7}]}})

    assert to_json(body) == {
        SCOPE: {"scope": [{"lifetime": 0, "mitigation-start": "soon", "scope": 7}]}
    }

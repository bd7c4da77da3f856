from __future__ import annotations

from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.codec.cbor import (
    CBOR2_TAGS,
    DOTS_TAG,
    MAX_BODY_BYTES,
    MAX_DEPTH,
    pack,
    parse,
    unpack,
)
from dots_client.codec.keys import HEARTBEAT, MITIGATION_SCOPE, SIGNAL_CONFIG, Sender
from dots_client.errors import DecodeError, EncodeError

CLIENT, SERVER = Sender.CLIENT, Sender.SERVER


def scope(**attributes: Any) -> dict[str, Any]:
    entry = {name.replace("_", "-"): value for name, value in attributes.items()}
    return {MITIGATION_SCOPE: {"scope": [entry]}}


def body(entry: dict[Any, Any]) -> bytes:
    return cbor2.dumps({1: {2: [entry]}})


def config_body(values: Any) -> bytes:
    return cbor2.dumps({30: {32: {39: values}}})


def entry_of(data: bytes, sender: Sender) -> dict[str, Any]:
    entry: dict[str, Any] = unpack(data, sender=sender)[MITIGATION_SCOPE]["scope"][0]
    return entry


def test_cbor2_gives_no_tag_a_meaning_of_its_own() -> None:
    special = set(CBOR2_TAGS) | {DOTS_TAG}
    tags = [*sorted(special), 6, 24, 65535, 2**32]

    for tag in tags:
        head = cbor2.dumps(cbor2.CBORTag(tag, 0))
        assert tag == DOTS_TAG or parse(head) == cbor2.CBORTag(tag, 0)


def test_every_tag_cbor2_knows_by_itself_is_listed() -> None:
    known = []
    for tag in range(65536):
        try:
            item = cbor2.loads(cbor2.dumps(cbor2.CBORTag(tag, 0)))
        except cbor2.CBORDecodeError:
            item = None
        if not isinstance(item, cbor2.CBORTag):
            known.append(tag)

    assert tuple(known) == CBOR2_TAGS


@pytest.mark.rule("SC-015")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "not CBOR"),
        ("a1", "not CBOR"),
        ("ff", "not CBOR"),
        ("a201000100", "not CBOR"),
        ("62c328", "not CBOR"),
        ("9bffffffffffffffff", "not CBOR"),
        ("a0a0", "1 bytes after the end"),
        ("81" * (MAX_DEPTH + 1) + "00", "not CBOR"),
    ],
)
def test_what_is_not_one_sound_item_is_refused(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        parse(bytes.fromhex(data))


def test_a_body_has_a_bounded_size() -> None:
    fits = cbor2.dumps(b"x" * (MAX_BODY_BYTES - 3 - 2))

    assert parse(fits) == b"x" * (MAX_BODY_BYTES - 5)
    with pytest.raises(DecodeError, match="more than"):
        parse(fits + b"\x00" * 6)


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert parse(bytes.fromhex("81" * (MAX_DEPTH - 1) + "00"))


@pytest.mark.rule("SC-015")
def test_indefinite_lengths_and_wide_integers_are_read() -> None:
    data = bytes.fromhex(
        "bf01bf029fbf061a0000000eff".replace("061a0000000e", "0e1b0000000000000e10") + "ffffff"
    )

    assert entry_of(data, SERVER) == {"lifetime": 3600}


@pytest.mark.parametrize("data", [b"", b"\xf6"])
def test_an_answer_without_content_is_an_empty_tree_but_a_request_is_refused(data: bytes) -> None:
    assert unpack(data, sender=SERVER) == {}
    with pytest.raises(DecodeError):
        unpack(data, sender=CLIENT)


@pytest.mark.rule("SS-011")
def test_all_unknown_required_keys_are_named() -> None:
    for sender in (CLIENT, SERVER):
        with pytest.raises(DecodeError) as refusal:
            unpack(body({300: 1, 14: 1, 60: 1}), sender=sender)
        assert refusal.value.reason == "unknown key 60, 300"
        assert refusal.value.path == "mitigation-scope.scope[0]"


@pytest.mark.rule("SC-012")
@pytest.mark.rule("SS-012")
def test_unknown_optional_keys_are_ignored() -> None:
    for sender in (CLIENT, SERVER):
        assert entry_of(body({14: 60, 250: [1], 40000: cbor2.CBORTag(99, {1: 2})}), sender) == {
            "lifetime": 60
        }


@pytest.mark.parametrize("key", ["lifetime", True, -1, 1.5, None])
def test_a_key_that_is_no_unsigned_integer_is_refused(key: Any) -> None:
    with pytest.raises(DecodeError, match="unsigned integer"):
        unpack(body({key: 1}), sender=SERVER)


def test_an_attribute_out_of_place_is_refused_in_a_request_and_ignored_in_an_answer() -> None:
    with pytest.raises(DecodeError) as refusal:
        unpack(body({14: 60, 16: 2}), sender=CLIENT)

    assert refusal.value.path == "mitigation-scope.scope[0].status"
    assert entry_of(body({14: 60, 29: 1, 8: 80}), SERVER) == {"lifetime": 60}


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({6: "192.0.2.0/24"}, "target-prefix"),
        ({6: []}, "target-prefix"),
        ({6: [1]}, "target-prefix[0]"),
        ({6: [""]}, "target-prefix[0]"),
        ({7: [80]}, "target-port-range[0]"),
        ({7: [{8: 65536}]}, "target-port-range[0].lower-port"),
        ({10: [6, -1]}, "target-protocol[1]"),
        ({10: [True]}, "target-protocol[0]"),
        ({14: -2}, "lifetime"),
        ({14: 2**32}, "lifetime"),
        ({14: False}, "lifetime"),
        ({14: "3600"}, "lifetime"),
        ({29: 3}, "attack-status"),
        ({29: 0}, "attack-status"),
        ({45: 1}, "trigger-mitigation"),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_refused_with_its_path(
    entry: dict[int, Any], path: str
) -> None:
    with pytest.raises(DecodeError) as refusal:
        unpack(body(entry), sender=CLIENT)

    assert refusal.value.path == f"mitigation-scope.scope[0].{path}"


def test_a_body_that_is_no_map_is_refused() -> None:
    with pytest.raises(DecodeError, match="must be a map"):
        unpack(b"\x01", sender=SERVER)


def test_an_answer_may_have_empty_lists_and_unassigned_numbers() -> None:
    assert entry_of(body({6: [], 16: 9}), SERVER) == {"target-prefix": [], "status": 9}


def test_a_tagged_start_is_accepted_from_a_server_but_no_other_tag() -> None:
    assert entry_of(body({15: cbor2.CBORTag(1, 7)}), SERVER) == {"mitigation-start": 7}
    with pytest.raises(DecodeError, match="unsigned integer"):
        unpack(body({15: cbor2.CBORTag(100, 7)}), sender=SERVER)


@pytest.mark.parametrize("exponent", [-3, -1, 0, 1])
def test_only_a_server_may_scale_a_decimal_in_its_own_way(exponent: int) -> None:
    data = config_body({43: cbor2.CBORTag(4, [exponent, 20])})

    values = unpack(data, sender=SERVER)[SIGNAL_CONFIG]["mitigating-config"]["ack-timeout"]

    assert values == {"current-value-decimal": Decimal(20).scaleb(exponent)}
    with pytest.raises(DecodeError, match="tag 4"):
        unpack(data, sender=CLIENT)


@pytest.mark.parametrize(
    "value",
    [
        2.5,
        2,
        cbor2.CBORTag(5, [-2, 200]),
        cbor2.CBORTag(4, [-2]),
        cbor2.CBORTag(4, 5),
        cbor2.CBORTag(4, [-2, True]),
        cbor2.CBORTag(4, [-2, 2**63]),
        cbor2.CBORTag(4, [2**40, 1]),
    ],
)
def test_a_decimal_in_another_shape_is_refused_from_anybody(value: Any) -> None:
    for sender in (CLIENT, SERVER):
        with pytest.raises(DecodeError):
            unpack(config_body({43: value}), sender=sender)


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({"heartbeat": {}}, "heartbeat"),
        ({HEARTBEAT: True}, "heartbeat"),
        ({HEARTBEAT: {"peer-hb-status": 1}}, "heartbeat.peer-hb-status"),
        ({HEARTBEAT: {"lifetime": 1}}, "heartbeat.lifetime"),
        (scope(status=1), "mitigation-scope.scope[0].status"),
        (scope(cuid="x"), "mitigation-scope.scope[0].cuid"),
        (scope(lifetime="1"), "mitigation-scope.scope[0].lifetime"),
        (scope(lifetime=True), "mitigation-scope.scope[0].lifetime"),
        (scope(lifetime=-2), "mitigation-scope.scope[0].lifetime"),
        (scope(lifetime=2**32), "mitigation-scope.scope[0].lifetime"),
        (scope(attack_status=3), "mitigation-scope.scope[0].attack-status"),
        (scope(target_prefix=[]), "mitigation-scope.scope[0].target-prefix"),
        (scope(target_prefix="x"), "mitigation-scope.scope[0].target-prefix"),
        (scope(target_prefix=[""]), "mitigation-scope.scope[0].target-prefix[0]"),
        (scope(target_prefix=[1]), "mitigation-scope.scope[0].target-prefix[0]"),
        (scope(alias_name=["\ud800"]), "mitigation-scope.scope[0].alias-name[0]"),
        (scope(target_protocol=[256]), "mitigation-scope.scope[0].target-protocol[0]"),
    ],
)
@pytest.mark.rule("SC-013")
def test_what_must_not_be_sent_is_not_encoded(tree: dict[str, Any], path: str) -> None:
    with pytest.raises(EncodeError) as refusal:
        pack(tree, sender=CLIENT)

    assert refusal.value.path == path


@pytest.mark.parametrize(
    "number",
    [
        "2.005",
        "2.00000000000000000000000000000000001",
        "1E+400000",
        "-1E+18",
        "NaN",
        "Infinity",
        2.0,
    ],
)
def test_a_decimal_that_does_not_fit_two_digits_is_not_encoded(number: str | float) -> None:
    value = Decimal(number) if isinstance(number, str) else number
    tree = {SIGNAL_CONFIG: {"idle-config": {"ack-timeout": {"current-value-decimal": value}}}}

    with pytest.raises(EncodeError):
        pack(tree, sender=CLIENT)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    for sender in (CLIENT, SERVER):
        try:
            unpack(data, sender=sender)
        except DecodeError:
            continue


CBOR_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, 60) | st.text(max_size=3), inner, max_size=4)
        | st.builds(cbor2.CBORTag, st.sampled_from([*CBOR2_TAGS, DOTS_TAG, 99]), inner)
    ),
    max_leaves=20,
)


@given(CBOR_VALUES)
def test_any_cbor_decodes_or_raises_decode_error(value: Any) -> None:
    data = cbor2.dumps(value)
    for sender in (CLIENT, SERVER):
        try:
            unpack(data, sender=sender)
        except DecodeError:
            continue

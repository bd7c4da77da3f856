from __future__ import annotations

from decimal import Decimal
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.codec.cbor import CBOR2_TAGS, DOTS_TAG
from dots_client.codec.keys import MITIGATION_SCOPE, SIGNAL_CONFIG, Sender
from dots_client.codec.reader import (
    MAX_NOT_READ,
    MAX_SCOPE_ENTRIES,
    MAX_TEXT_CHARACTERS,
    MAX_VALUES,
    NOT_READ,
    not_read_of,
    unpack,
    unpack_answer,
)
from dots_client.errors import DecodeError

CLIENT, SERVER = Sender.CLIENT, Sender.SERVER
ENTRY = "mitigation-scope.scope[0]"


def body(entry: dict[Any, Any]) -> bytes:
    return cbor2.dumps({1: {2: [entry]}})


def config_body(values: Any) -> bytes:
    return cbor2.dumps({30: {32: {39: values}}})


def entry_of(data: bytes, sender: Sender) -> dict[str, Any]:
    entry: dict[str, Any] = unpack(data, sender=sender)[MITIGATION_SCOPE]["scope"][0]
    return entry


def read(entry: dict[Any, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The parts of a server's scope entry that a client reads, and those that it leaves out."""
    tree, not_read = unpack_answer(body(entry))
    [said] = tree[MITIGATION_SCOPE]["scope"]
    assert said.pop(NOT_READ, ()) == not_read[:MAX_NOT_READ]
    return said, not_read


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
    with pytest.raises(DecodeError) as refusal:
        unpack(body({300: 1, 14: 1, 60: 1}), sender=CLIENT)

    assert (refusal.value.path, refusal.value.reason) == (ENTRY, "unknown key 60, 300")
    assert read({300: 1, 14: 1, 60: 1}) == ({"lifetime": 1}, (f"{ENTRY}: unknown key 60, 300",))


def test_only_some_of_many_unknown_keys_are_named() -> None:
    _, not_read = read(dict.fromkeys(range(300, 400), 1))

    assert not_read == (f"{ENTRY}: unknown key 300, 301, 302, 303, 304, 305, 306, 307 and 92 more",)


@pytest.mark.rule("SC-012")
@pytest.mark.rule("SS-012")
def test_unknown_optional_keys_are_ignored() -> None:
    for sender in (CLIENT, SERVER):
        assert entry_of(body({14: 60, 250: [1], 40000: cbor2.CBORTag(99, {1: 2})}), sender) == {
            "lifetime": 60
        }


@pytest.mark.parametrize("key", ["lifetime", True, -1, 1.5, None, b"x", (1, 2), 2.0, "a\0b"])
def test_an_invalid_key_is_refused_in_a_request_and_left_out_of_an_answer(
    key: Any,
) -> None:
    with pytest.raises(DecodeError, match="unsigned integer"):
        unpack(body({key: 1}), sender=CLIENT)

    assert read({key: 1, 16: 2}) == (
        {"status": 2},
        (f"{ENTRY}: a map key is not an unsigned integer",),
    )


def test_an_attribute_out_of_place_is_refused_in_a_request_and_ignored_in_an_answer() -> None:
    with pytest.raises(DecodeError) as refusal:
        unpack(body({14: 60, 16: 2}), sender=CLIENT)

    assert refusal.value.path == f"{ENTRY}.status"
    assert read({14: 60, 29: 1, 8: 80}) == ({"lifetime": 60}, ())


@pytest.mark.parametrize("key", [6, 7, 10, 14, 15, 16, 17, 25, 45, 53])
def test_null_is_an_absent_attribute_in_an_answer_and_refused_in_a_request(key: int) -> None:
    assert read({5: 1, key: None}) == ({"mid": 1}, ())
    assert read({5: 1, 17: {20: None, 21: {22: [None], 6: [None]}}}) == (
        {
            "mid": 1,
            "conflict-information": {"conflict-scope": {"acl-list": [], "target-prefix": []}},
        },
        (),
    )
    with pytest.raises(DecodeError):
        unpack(body({key: None}), sender=CLIENT)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (25, 12.5, "bytes-dropped: must be an unsigned integer"),
        (26, -1, "bps-dropped: must be an unsigned integer"),
        (27, cbor2.CBORTag(2, b"\1" + bytes(8)), "pkts-dropped: must be an unsigned integer"),
        (28, "many", "pps-dropped: must be an unsigned integer"),
        (28, "9" * 21, "pps-dropped: must be an unsigned integer"),
        (28, str(2**64), f"pps-dropped: must be at most {2**64 - 1}"),
        (14, "3600", "lifetime: must be an unsigned integer"),
        (14, -2, "lifetime: must be an unsigned integer"),
        (14, 2**32, f"lifetime: must be at most {2**32 - 1}"),
        (15, cbor2.CBORTag(100, 7), "mitigation-start: must be an unsigned integer"),
        (15, cbor2.undefined, "mitigation-start: must be an unsigned integer"),
        (16, 256, "status: must be at most 255"),
        (45, 1, "trigger-mitigation: must be true or false"),
        (6, "192.0.2.0/24", "target-prefix: must be an array"),
        (6, [1], "target-prefix[0]: must be a text string"),
        (6, ["\0"], "target-prefix[0]: must not be empty"),
        (7, [80], "target-port-range[0]: must be a map"),
        (17, [], "conflict-information: must be a map"),
        (17, {19: "x"}, "conflict-information.conflict-cause: must be an unsigned integer"),
        (17, {20: {}}, "conflict-information.retry-timer: must be an unsigned integer"),
        (17, {21: {22: {}}}, "conflict-information.conflict-scope.acl-list: must be an array"),
    ],
)
def test_an_unreadable_value_is_left_out_of_an_answer_and_named(
    key: int, value: Any, reason: str
) -> None:
    said, not_read = read({5: 1, key: value, 18: 2} if key == 17 else {5: 1, key: value})

    assert said["mid"] == 1
    assert not_read[0] == f"{ENTRY}.{reason}"


@pytest.mark.parametrize("number", ["0", "7", str(2**64 - 1)])
def test_a_server_may_write_64_bits_as_text(number: str) -> None:
    """As RFC 7951 section 6.1 writes them in JSON."""
    assert read({15: number, 25: number}) == (
        {"mitigation-start": int(number), "bytes-dropped": int(number)},
        (),
    )


@pytest.mark.parametrize("entry", [None, 7, "x", [], {5: "mine", 16: "x"}, {"mid": 9}])
def test_an_invalid_entry_does_not_hide_the_others(entry: Any) -> None:
    for entries in ([entry, {5: 1, 16: 2}], [{5: 1, 16: 2}, entry]):
        tree, _ = unpack_answer(cbor2.dumps({1: {2: entries}}))

        assert {"mid": 1, "status": 2} in tree[MITIGATION_SCOPE]["scope"]


@pytest.mark.parametrize("extra", [{60: 1}, {"x": 1}, {49: 7}, {0: None}, {30: []}])
def test_other_members_do_not_spoil_the_message(extra: dict[Any, Any]) -> None:
    tree, _ = unpack_answer(cbor2.dumps({**extra, 1: {**extra, 2: [{5: 1}]}}))

    assert tree[MITIGATION_SCOPE]["scope"] == [{"mid": 1}]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("a30501100206" + "8162ff61", {"mid": 1, "status": 2, "target-prefix": ["\ufffda"]}),
        ("a405011002186302186303", {"mid": 1, "status": 2}),
        ("a4050110020e010e02", {"mid": 1, "status": 2, "lifetime": 2}),
    ],
)
def test_invalid_text_and_a_duplicate_key_do_not_hide_the_rest(
    entry: str, said: dict[str, Any]
) -> None:
    tree, not_read = unpack_answer(bytes.fromhex("a101a10281" + entry))

    [read] = tree[MITIGATION_SCOPE]["scope"]
    read.pop(NOT_READ, None)
    assert read == said
    assert not_read[0].startswith("not CBOR: ")


def test_bytes_after_an_answer_are_ignored() -> None:
    tree, not_read = unpack_answer(body({5: 1}) + b"\0\0")

    assert tree[MITIGATION_SCOPE]["scope"] == [{"mid": 1}]
    assert not_read == ("2 bytes after the end",)


@given(st.text())
def test_text_from_a_server_is_printable_and_bounded(text: str) -> None:
    said, _ = read({6: [text, "x" * 5000], 17: {21: {22: [{23: text}]}}})

    *first, last = said["target-prefix"]
    assert len(last) == MAX_TEXT_CHARACTERS
    names = [
        entry.get("acl-name", "")
        for entry in said["conflict-information"]["conflict-scope"]["acl-list"]
    ]
    assert all(name.isprintable() for name in (*first, *names))


# These tests count the work instead of measuring time, which depends on the machine.


def test_a_limited_number_of_mitigations_is_read_from_one_answer() -> None:
    tree, not_read = unpack_answer(
        cbor2.dumps({1: {2: [{5: mid} for mid in range(MAX_SCOPE_ENTRIES + 1)]}})
    )

    assert len(tree[MITIGATION_SCOPE]["scope"]) == MAX_SCOPE_ENTRIES
    assert not_read == (
        (
            f"mitigation-scope.scope: has {MAX_SCOPE_ENTRIES + 1} entries, {MAX_SCOPE_ENTRIES} "
            f"are read"
        ),
    )


@pytest.mark.parametrize(
    "costly",
    [
        {10: [6] * 30_000},
        {6: [""] * 30_000},
        {7: [{8: 1}] * 10_000},
        {17: {21: {22: [{}] * 30_000}}},
        dict.fromkeys(range(40_000, 55_000), 0),
    ],
    ids=["protocols", "empty texts", "port ranges", "filters", "unknown keys"],
)
def test_a_body_of_any_shape_costs_bounded_work_and_keeps_its_status(
    costly: dict[int, Any],
) -> None:
    said, not_read = read({5: 1, 16: 2, **costly})

    assert (said["mid"], said["status"]) == (1, 2)
    assert _count(said) <= 2 * MAX_VALUES
    assert 1 <= len(not_read) <= MAX_NOT_READ + 1


def test_a_request_with_too_many_values_is_refused() -> None:
    with pytest.raises(DecodeError, match="entries, "):
        unpack(body({6: ["192.0.2.0/24"] * (MAX_VALUES + 1)}), sender=CLIENT)


def _count(value: Any) -> int:
    """Values in a tree."""
    if isinstance(value, dict):
        return sum(1 + _count(member) for member in value.values())
    return sum(1 + _count(entry) for entry in value) if isinstance(value, list) else 0


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


def test_a_body_that_is_not_a_map_is_refused() -> None:
    with pytest.raises(DecodeError, match="must be a map"):
        unpack(b"\x01", sender=SERVER)


def test_an_answer_may_have_empty_lists_and_unassigned_numbers() -> None:
    assert entry_of(body({6: [], 16: 9}), SERVER) == {"target-prefix": [], "status": 9}


def test_a_tagged_start_is_accepted_from_a_server() -> None:
    assert entry_of(body({15: cbor2.CBORTag(1, 7)}), SERVER) == {"mitigation-start": 7}


@pytest.mark.parametrize("exponent", [-3, -1, 0, 1])
def test_only_a_server_may_scale_decimals_differently(exponent: int) -> None:
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
        cbor2.CBORTag(4, [-(2**40), 1]),
    ],
)
def test_a_decimal_in_another_shape_is_refused_from_a_client_and_left_out_of_an_answer(
    value: Any,
) -> None:
    with pytest.raises(DecodeError):
        unpack(config_body({43: value}), sender=CLIENT)

    tree, not_read = unpack_answer(config_body({43: value}))
    assert tree[SIGNAL_CONFIG]["mitigating-config"]["ack-timeout"] == {}
    assert len(not_read) == 1


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


def test_a_decimal_too_large_for_decimal64_is_left_out() -> None:
    data = config_body({41: cbor2.CBORTag(4, [9, 2**62])})

    _, not_read = unpack_answer(data)

    assert [line.endswith("is too large") for line in not_read] == [True]


def test_mitigations_beyond_the_limit_can_be_polled_alone() -> None:
    assert not_read_of(body({5: 1, 16: 2})) == ()
    assert not_read_of(body({5: 1, 14: "soon"})) == (
        f"{ENTRY}.lifetime: must be an unsigned integer",
    )
    assert not_read_of(b"no DOTS at all") == ()

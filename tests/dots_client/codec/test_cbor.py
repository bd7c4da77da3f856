from __future__ import annotations

from decimal import Decimal
from typing import Any

import cbor2
import pytest

from dots_client.codec.cbor import (
    CBOR2_TAGS,
    DOTS_TAG,
    MAX_BODY_BYTES,
    MAX_DEPTH,
    pack,
    parse,
)
from dots_client.codec.keys import HEARTBEAT_MESSAGE, MITIGATION_SCOPE, SIGNAL_CONFIG, Sender
from dots_client.errors import DecodeError, EncodeError

CLIENT = Sender.CLIENT


def scope(**attributes: Any) -> dict[str, Any]:
    entry = {name.replace("_", "-"): value for name, value in attributes.items()}
    return {MITIGATION_SCOPE: {"scope": [entry]}}


def test_cbor2_interprets_no_tag() -> None:
    special = set(CBOR2_TAGS) | {DOTS_TAG}
    tags = [*sorted(special), 6, 24, 65535, 2**32]

    for tag in tags:
        head = cbor2.dumps(cbor2.CBORTag(tag, 0))
        assert tag == DOTS_TAG or parse(head) == cbor2.CBORTag(tag, 0)


def test_every_tag_that_cbor2_interprets_is_listed() -> None:
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
def test_anything_but_one_valid_item_is_refused(data: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        parse(bytes.fromhex(data))


def test_a_body_has_a_bounded_size() -> None:
    fits = cbor2.dumps(b"x" * (MAX_BODY_BYTES - 3 - 2))

    assert parse(fits) == b"x" * (MAX_BODY_BYTES - 5)
    with pytest.raises(DecodeError, match="more than"):
        parse(fits + b"\x00" * 6)


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert parse(bytes.fromhex("81" * (MAX_DEPTH - 1) + "00"))


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        ({"heartbeat": {}}, "heartbeat"),
        ({HEARTBEAT_MESSAGE: True}, "heartbeat"),
        ({HEARTBEAT_MESSAGE: {"peer-hb-status": 1}}, "heartbeat.peer-hb-status"),
        ({HEARTBEAT_MESSAGE: {"lifetime": 1}}, "heartbeat.lifetime"),
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
def test_a_forbidden_request_is_not_encoded(tree: dict[str, Any], path: str) -> None:
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

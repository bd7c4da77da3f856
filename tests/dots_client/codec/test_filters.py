"""Filter control (RFC 9133): `acl-list` in a mitigation request."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest

from dots_client.codec import (
    decode_efficacy,
    decode_mitigations,
    decode_request,
    encode_reports,
    encode_request,
    from_json,
    to_json,
)
from dots_client.errors import DecodeError, EncodeError
from dots_client.model import (
    ActivationType,
    AttackStatus,
    FilterControl,
    MitigationReport,
    Scope,
    Targets,
)

SWITCH_OFF = FilterControl(acl_name="an-accept-list", activation_type=ActivationType.DEACTIVATE)
SCOPE = Scope(
    targets=Targets(target_prefix=("2001:db8:6401::2/127",), target_protocol=(17,)),
    lifetime=3600,
    acl_list=(SWITCH_OFF,),
)
BODY = bytes.fromhex(
    "a101a10281a4068174323030313a6462383a363430313a3a322f3132370a81110e190e10183581a2"
    "176e616e2d6163636570742d6c697374183403"
)
FAILED = bytes.fromhex("a101a10281a205187c183581a2176e616e2d6163636570742d6c697374183403")


def test_a_request_that_switches_a_filter_is_the_59_byte_example_of_rfc_9133() -> None:
    assert encode_request(SCOPE) == BODY
    assert decode_request(BODY) == SCOPE


def test_a_filter_without_an_activation_type_encodes_none() -> None:
    silent = replace(SCOPE, acl_list=(FilterControl(acl_name="partners"),))

    assert decode_request(encode_request(silent)) == silent
    assert b"\x18\x34" not in encode_request(silent)


def test_the_name_is_read_under_the_key_of_the_drafts_too() -> None:
    drafted = BODY.replace(b"\xa2\x17\x6e", b"\xa2\x18\x36\x6e")

    assert decode_request(drafted) == SCOPE
    assert encode_request(decode_request(drafted)) == BODY


def test_a_name_under_both_keys_is_refused() -> None:
    body = {1: {2: [{6: ["192.0.2.0/24"], 14: 60, 53: [{23: "one", 54: "two"}]}]}}

    with pytest.raises(DecodeError, match="acl-name: occurs twice"):
        decode_request(cbor2.dumps(body))


def test_json_has_the_names_of_the_rfc_and_reads_those_of_the_drafts() -> None:
    shown = to_json(BODY)
    entry = shown["ietf-dots-signal-channel:mitigation-scope"]["scope"][0]

    assert entry["ietf-dots-signal-control:acl-list"] == [
        {"acl-name": "an-accept-list", "activation-type": "deactivate"}
    ]
    entry["ietf-dots-signal-control:acl-list"] = [
        {
            "ietf-dots-signal-control:acl-name": "an-accept-list",
            "ietf-dots-signal-control:activation-type": "deactivate",
        }
    ]
    assert from_json(shown) == BODY


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ((FilterControl(acl_name=""),), "must be text that is not empty"),
        ((SWITCH_OFF, FilterControl(acl_name="an-accept-list")), "occurs twice"),
    ],
)
def test_a_meaningless_filter_is_not_sent(filters: tuple[FilterControl, ...], reason: str) -> None:
    with pytest.raises(EncodeError, match=reason):
        encode_request(replace(SCOPE, acl_list=filters))


def test_an_efficacy_update_switches_no_filter() -> None:
    with pytest.raises(EncodeError, match="does not belong in an efficacy update"):
        encode_request(replace(SCOPE, attack_status=AttackStatus.UNDER_ATTACK))
    body = {1: {2: [{6: ["192.0.2.0/24"], 29: 1, 53: [{23: "one"}]}]}}
    with pytest.raises(DecodeError, match="does not belong in an efficacy update"):
        decode_efficacy(cbor2.dumps(body), lifetime=60)


def test_a_filter_without_a_name_is_refused_in_requests_and_skipped_in_answers() -> None:
    nameless = cbor2.dumps({1: {2: [{6: ["192.0.2.0/24"], 14: 60, 53: [{52: 3}]}]}})

    with pytest.raises(DecodeError, match="acl-name: is missing"):
        decode_request(nameless)
    assert decode_mitigations(nameless)[0].acl_list == ()


def test_the_filters_that_failed_are_read_from_an_answer() -> None:
    report = MitigationReport(mid=124, acl_list=(SWITCH_OFF,))

    assert decode_mitigations(FAILED) == (report,)
    assert encode_reports((report,)) == FAILED

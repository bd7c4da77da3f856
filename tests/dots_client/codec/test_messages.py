from __future__ import annotations

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.codec import (
    decode_config,
    decode_config_request,
    decode_efficacy,
    decode_heartbeat,
    decode_mitigations,
    decode_redirect,
    decode_request,
    encode_reports,
    encode_request,
)
from dots_client.errors import DecodeError, EncodeError
from dots_client.model import (
    INDEFINITE,
    AclEntry,
    ActivationType,
    AttackStatus,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    FilterControl,
    MitigationReport,
    MitigationStatus,
    PortRange,
    Scope,
    SignalConfig,
    Targets,
)
from dots_client.text import clean_text

WEB = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))


def in_scope(entry: dict[int, Any]) -> bytes:
    return cbor2.dumps({1: {2: [entry]}})


ports = st.integers(0, 65535)
# A client reads only printable text from a server.
names = st.text(min_size=1, max_size=10).map(clean_text).filter(bool)
targets = st.builds(
    Targets,
    target_prefix=st.lists(
        st.integers(0, 255).map(lambda host: f"203.0.113.{host}/32"), min_size=1, unique=True
    ).map(tuple),
    target_port_range=st.lists(
        st.builds(
            lambda low, span: PortRange(lower=low, upper=low + span),
            st.integers(0, 60000),
            st.integers(0, 5000),
        )
        | st.builds(PortRange, lower=ports),
        max_size=5,
        unique_by=lambda ports: ports.lower,
    ).map(tuple),
    target_protocol=st.lists(st.integers(0, 255), max_size=5, unique=True).map(tuple),
    alias_name=st.lists(names, max_size=3, unique=True).map(tuple),
)
filters = st.lists(
    st.builds(
        FilterControl,
        acl_name=names,
        activation_type=st.none() | st.sampled_from(ActivationType),
    ),
    max_size=3,
    unique_by=lambda control: control.acl_name,
).map(tuple)
scopes = st.builds(
    Scope,
    targets=targets,
    lifetime=st.integers(1, 2**32 - 1) | st.just(INDEFINITE),
    trigger_mitigation=st.booleans(),
    acl_list=filters,
)
uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
optional_uint64 = st.none() | uint64
conflicts = st.builds(
    ConflictInformation,
    status=st.none() | st.sampled_from(ConflictStatus),
    cause=st.none() | st.sampled_from(ConflictCause),
    retry_timer_s=st.none() | uint32,
    targets=st.none() | targets,
    acl_list=st.lists(
        st.builds(AclEntry, acl_name=names, acl_type=st.none() | st.just("ipv4-acl-type")),
        max_size=2,
    ).map(tuple),
    mid=st.none() | uint32,
)
reports = st.builds(
    MitigationReport,
    mid=st.none() | uint32,
    lifetime=st.none() | uint32 | st.just(INDEFINITE),
    status=st.none() | st.sampled_from(MitigationStatus),
    mitigation_start=optional_uint64,
    bytes_dropped=optional_uint64,
    pkts_dropped=optional_uint64,
    bps_dropped=optional_uint64,
    pps_dropped=optional_uint64,
    conflict=st.none() | conflicts,
    targets=st.none() | targets,
    trigger_mitigation=st.none() | st.booleans(),
    acl_list=filters,
)


@given(scopes)
def test_a_request_survives_encoding(scope: Scope) -> None:
    assert decode_request(encode_request(scope)) == scope


@given(st.lists(reports, min_size=1, max_size=4))
def test_reports_survive_encoding(said: list[MitigationReport]) -> None:
    assert decode_mitigations(encode_reports(said)) == tuple(said)


@given(st.binary(max_size=100))
def test_decoding_any_bytes_raises_nothing_but_decode_error(data: bytes) -> None:
    decoders = (
        decode_config,
        decode_config_request,
        decode_heartbeat,
        decode_mitigations,
        decode_redirect,
        decode_request,
    )
    for decode in decoders:
        for prefix in (b"", b"\xa1\x01\xa1\x02\x81", b"\xa1\x18\x1e\xa1\x18\x20"):
            try:
                decode(prefix + data)
            except DecodeError:
                continue


@pytest.mark.rule("SC-041")
@pytest.mark.rule("SC-040")
@pytest.mark.rule("SC-042")
@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (Scope(targets=Targets()), "mitigation-scope.scope[0]"),
        (replace(WEB, lifetime=0), "mitigation-scope.scope[0].lifetime"),
        (replace(WEB, lifetime=-2), "mitigation-scope.scope[0].lifetime"),
        (replace(WEB, lifetime=2**32), "mitigation-scope.scope[0].lifetime"),
        (
            Scope(targets=Targets(target_prefix=("203.0.113.7/24",))),
            "mitigation-scope.scope[0].target-prefix[0]",
        ),
        (
            Scope(targets=Targets(alias_name=("",))),
            "mitigation-scope.scope[0].alias-name[0]",
        ),
        (
            Scope(
                targets=Targets(
                    alias_name=("web",), target_port_range=(PortRange(lower=443, upper=80),)
                )
            ),
            "mitigation-scope.scope[0].target-port-range[0].upper-port",
        ),
    ],
)
def test_a_forbidden_request_is_not_encoded(scope: Scope, path: str) -> None:
    with pytest.raises(EncodeError) as refusal:
        encode_request(scope)

    assert refusal.value.path == path


@pytest.mark.rule("SC-061")
def test_attack_status_is_allowed_only_in_efficacy_updates() -> None:
    update = encode_request(replace(WEB, attack_status=AttackStatus.UNDER_ATTACK))

    assert decode_efficacy(update, lifetime=60).attack_status is AttackStatus.UNDER_ATTACK
    with pytest.raises(DecodeError, match="If-Match"):
        decode_request(update)
    with pytest.raises(DecodeError, match="is missing"):
        decode_efficacy(encode_request(WEB), lifetime=60)


@pytest.mark.rule("SS-049")
def test_an_efficacy_update_may_leave_out_the_lifetime() -> None:
    without = in_scope({6: ["203.0.113.7/32"], 29: 2})
    zero = in_scope({6: ["203.0.113.7/32"], 14: 0, 29: 2})

    assert decode_efficacy(without, lifetime=1234).lifetime == 1234
    with pytest.raises(DecodeError):
        decode_efficacy(zero, lifetime=1234)


@pytest.mark.parametrize(
    "data", [cbor2.dumps({}), cbor2.dumps({1: {}}), cbor2.dumps({1: {2: [{}]}, 49: {51: True}})]
)
def test_a_request_without_its_one_scope_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_request(data)


@pytest.mark.parametrize("data", [b"", b"\xf6", b"\xa0"])
def test_an_answer_without_content_is_empty(data: bytes) -> None:
    assert decode_mitigations(data) == ()
    assert decode_config(data) == SignalConfig()


@pytest.mark.parametrize("number", [0, 9, 255])
def test_an_unassigned_number_stays_a_number_and_can_be_shown(number: int) -> None:
    body = in_scope({5: 1, 16: number, 17: {18: number, 19: number}, 53: [{23: "a", 52: number}]})

    [report] = decode_mitigations(body)

    assert report == MitigationReport(
        mid=1,
        status=number,
        conflict=ConflictInformation(status=number, cause=number),
        acl_list=(FilterControl(acl_name="a", activation_type=number),),
    )
    assert report.conflict is not None
    assert report.conflict.cause_in_words == f"unknown conflict cause {number}"
    assert cbor2.loads(encode_reports([report])) == cbor2.loads(body)


@pytest.mark.parametrize(
    ("number", "cause", "words"),
    [
        (1, ConflictCause.OVERLAPPING_TARGETS, "overlapping targets"),
        (2, ConflictCause.CONFLICT_WITH_ACCEPTLIST, "conflict with acceptlist"),
        (3, ConflictCause.CUID_COLLISION, "cuid collision"),
        (
            4,
            ConflictCause.REQUEST_REJECTED_LEGITIMATE_TRAFFIC,
            "request rejected legitimate traffic",
        ),
        (5, ConflictCause.OVERLAPPING_PIPES, "overlapping pipes"),
    ],
)
def test_the_causes_of_conflicts_have_the_numbers_of_iana(
    number: int, cause: ConflictCause, words: str
) -> None:
    [report] = decode_mitigations(in_scope({17: {19: number}}))

    assert report.conflict is not None
    assert (report.conflict.cause, report.conflict.cause_in_words) == (cause, words)


def test_broken_entries_of_lists_in_an_answer_are_left_out() -> None:
    [report] = decode_mitigations(
        in_scope({7: [{9: 80}, {8: 443}], 17: {21: {22: [{24: "x"}, {23: "drop-dns"}]}}})
    )

    assert report.targets == Targets(target_port_range=(PortRange(lower=443),))
    assert report.conflict == ConflictInformation(acl_list=(AclEntry(acl_name="drop-dns"),))


@pytest.mark.rule("SC-038")
def test_a_request_has_exactly_one_scope() -> None:
    [entry] = cbor2.loads(encode_request(WEB))[1][2]

    assert entry[6] == ["203.0.113.7/32"]


@pytest.mark.rule("SC-044")
def test_a_refresh_differs_in_nothing_but_the_lifetime() -> None:
    [first] = cbor2.loads(encode_request(WEB))[1][2]
    [refresh] = cbor2.loads(encode_request(replace(WEB, lifetime=7200)))[1][2]

    assert first | {14: 7200} == refresh


@pytest.mark.rule("SC-065")
def test_an_efficacy_update_has_the_lifetime_too() -> None:
    [entry] = cbor2.loads(
        encode_request(replace(WEB, attack_status=AttackStatus.SUCCESSFULLY_MITIGATED))
    )[1][2]

    assert (entry[14], entry[29]) == (3600, 2)


@pytest.mark.parametrize("key", [60, 127, 300])
def test_an_unknown_required_key_is_left_out_of_an_answer_and_refused_in_a_request(
    key: int,
) -> None:
    not_read = (f"mitigation-scope.scope[0]: unknown key {key}",)

    assert decode_mitigations(in_scope({5: 1, 14: 60, key: 1})) == (
        MitigationReport(mid=1, lifetime=60, not_read=not_read),
    )
    with pytest.raises(DecodeError, match=f"unknown key {key}"):
        decode_request(in_scope({6: ["203.0.113.7/32"], 14: 60, key: 1}))

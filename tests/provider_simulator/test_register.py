from __future__ import annotations

from dataclasses import replace

import pytest

from dots_client import (
    INDEFINITE,
    ConflictCause,
    ConflictInformation,
    DecodeError,
    MitigationStatus,
    RedirectedSignal,
    Scope,
    Targets,
)
from dots_client.server import decode_mitigations, decode_redirect, mitigate_path
from tests.provider_simulator.offline import OfflineProvider, report, scope


@pytest.mark.rule("SS-015")
@pytest.mark.rule("SS-029")
@pytest.mark.rule("SS-031")
def test_a_new_mid_is_accepted_with_the_lifetime_granted() -> None:
    response = OfflineProvider().client().request(123, scope(lifetime=3600))

    assert response.code == "2.01"
    assert response.payload.hex() == "a101a10281a205187b0e190e10"


@pytest.mark.rule("SS-030")
@pytest.mark.parametrize(("lifetime", "granted"), [(60, 60), (7200, 3600), (INDEFINITE, 3600)])
def test_a_shorter_lifetime_than_requested_may_be_granted(lifetime: int, granted: int) -> None:
    acme = OfflineProvider(max_lifetime_s=3600, may_be_indefinite=False).client()

    assert report(acme.request(1, scope(lifetime=lifetime))).lifetime == granted


def test_an_indefinite_lifetime_may_be_granted() -> None:
    acme = OfflineProvider().client()

    assert report(acme.request(1, scope(lifetime=INDEFINITE))).lifetime == INDEFINITE
    assert acme.server.provider.register.find("acme", acme.cuid, 1) is not None


@pytest.mark.rule("SS-029")
def test_the_remaining_lifetime_counts_down_and_a_refresh_renews_it() -> None:
    acme = OfflineProvider().client()
    acme.request(1, scope(lifetime=100))
    acme.server.wait(40)
    assert report(acme.get(1)).lifetime == 60

    refreshed = acme.request(1, scope(lifetime=500))

    assert refreshed.code == "2.04"
    assert report(refreshed).lifetime == 500


@pytest.mark.rule("SS-034")
def test_the_same_mid_with_another_scope_is_refused_and_changes_nothing() -> None:
    acme = OfflineProvider().client()
    acme.request(1, scope(lifetime=100))
    wider = replace(scope(), targets=Targets(target_prefix=("203.0.113.0/24",)))

    refused = acme.request(1, wider)

    assert refused.code == "4.00"
    assert b"higher mid" in refused.payload
    assert report(acme.get(1)).targets == scope().targets


@pytest.mark.rule("SS-035")
def test_a_request_that_is_not_refreshed_ends_like_a_withdrawn_one() -> None:
    acme = OfflineProvider(terminating_s=10).client()
    acme.request(1, scope(lifetime=60))

    acme.server.wait(61)
    assert acme.status(1) is MitigationStatus.TERMINATING
    acme.server.wait(20)

    assert acme.get(1).code == "4.04"


@pytest.mark.rule("SS-008")
@pytest.mark.rule("SS-027")
def test_a_target_outside_the_clients_domain_is_named_in_the_refusal() -> None:
    refused = OfflineProvider().client().request(1, scope("203.0.113.7/32", "198.51.100.1/32"))

    assert refused.code == "4.00"
    assert refused.payload == b"198.51.100.1/32 is outside the domain of acme"


@pytest.mark.rule("SS-028")
def test_an_alias_that_the_client_never_created_is_refused() -> None:
    refused = OfflineProvider().client().request(1, Scope(targets=Targets(alias_name=("web",))))

    assert refused.code == "4.00"
    assert b"alias web" in refused.payload


@pytest.mark.rule("SS-010")
@pytest.mark.rule("SS-025")
@pytest.mark.rule("SS-005")
def test_a_malformed_body_is_refused_with_the_reason() -> None:
    acme = OfflineProvider().client()

    refused = acme.answered("PUT", mitigate_path(acme.cuid, 1), payload=b"\xa0")

    assert refused.code == "4.00"
    assert refused.content_format is None
    assert refused.payload == b"the body must be one mitigation-scope"


@pytest.mark.rule("SS-026")
def test_lifetime_zero_is_refused() -> None:
    acme = OfflineProvider().client()
    body = bytes.fromhex("a101a10281a206816c3139322e302e322e302f32340e00")

    assert acme.answered("PUT", mitigate_path(acme.cuid, 1), payload=body).code == "4.00"


@pytest.mark.rule("SS-024")
@pytest.mark.rule("SS-050")
def test_put_and_delete_need_a_mid() -> None:
    acme = OfflineProvider().client()

    assert acme.answered("PUT", mitigate_path(acme.cuid), payload=b"x").code == "4.00"
    assert acme.withdraw(None).code == "4.00"


@pytest.mark.rule("SS-039")
def test_an_unknown_mitigation_is_not_found() -> None:
    acme = OfflineProvider().client()
    assert acme.get().code == "4.04"
    acme.request(1)

    assert acme.get(2).code == "4.04"
    assert acme.get().code == "2.05"


@pytest.mark.rule("SS-004")
@pytest.mark.rule("SS-014")
def test_a_get_without_mid_lists_all_of_the_clients_requests() -> None:
    acme = OfflineProvider().client()
    acme.request(1)
    acme.request(2, scope("203.0.113.8/32"))

    response = acme.get()

    assert [held.mid for held in decode_mitigations(response.payload)] == [1, 2]
    assert acme.cuid.encode() not in response.payload


@pytest.mark.rule("SS-042")
@pytest.mark.parametrize(
    ("query", "has_targets", "has_status"),
    [("c=a", True, True), ("c=c", True, False), ("c=n", False, True)],
)
def test_the_query_c_chooses_configuration_or_status(
    query: str, has_targets: bool, has_status: bool
) -> None:
    acme = OfflineProvider().client()
    acme.request(1)

    held = report(acme.get(1, queries=(query,)))

    assert (held.targets is not None, held.status is not None) == (has_targets, has_status)
    assert held.lifetime == 3600


@pytest.mark.rule("SS-006")
def test_a_client_reaches_only_its_own_mitigations() -> None:
    server = OfflineProvider()
    acme, globex = server.client("acme"), server.client("globex", number=2)
    acme.request(1)

    assert globex.get(1).code == "4.04"
    assert globex.withdraw(1).code == "2.02"
    assert acme.get(1).code == "2.05"


@pytest.mark.rule("SS-019")
@pytest.mark.rule("SS-060")
def test_the_cuid_of_another_client_is_a_collision_without_further_details() -> None:
    server = OfflineProvider()
    acme, globex = server.client("acme"), server.client("globex", number=2)
    acme.request(1)

    refused = globex.request(7, scope("198.51.100.1/32"))

    assert refused.code == "4.09"
    assert refused.payload.hex() == "a101a10281a111a11303"
    assert report(refused).conflict == ConflictInformation(cause=ConflictCause.CUID_COLLISION)


@pytest.mark.rule("SS-051")
def test_a_delete_for_an_unknown_mid_is_acknowledged_too() -> None:
    response = OfflineProvider().client().withdraw(99)

    assert (response.code, response.payload) == ("2.02", b"")


def test_a_refused_request_leaves_nothing_behind() -> None:
    acme = OfflineProvider(accept="refuse", refuse_code="4.03", refuse_reason="no").client()

    refused = acme.request(1)

    assert (refused.code, refused.payload) == ("4.03", b"no")
    assert acme.get(1).code == "4.04"


def test_a_refusal_with_4_09_carries_conflict_information() -> None:
    acme = OfflineProvider(accept="refuse", refuse_code="4.09", retry_after_s=300).client()

    conflict = report(acme.request(1)).conflict

    assert conflict is not None
    assert (conflict.retry_timer_s, conflict.targets) == (300, scope().targets)


def test_a_refusal_with_5_03_says_when_to_retry() -> None:
    acme = OfflineProvider(accept="refuse", refuse_code="5.03", retry_after_s=30).client()

    assert acme.request(1).max_age == 30


def test_refusing_new_requests_does_not_affect_existing_ones() -> None:
    acme = OfflineProvider().client()
    acme.request(1)

    acme.server.behave(accept="refuse")

    assert acme.request(1).code == "2.04"


@pytest.mark.rule("SS-079")
@pytest.mark.rule("SS-081")
def test_a_client_is_redirected_unless_it_is_being_protected() -> None:
    acme = OfflineProvider(
        redirect_to="alt.example 192.0.2.7 2001:db8::7", redirect_ttl_s=600
    ).client()

    redirected = acme.request(1)
    acme.server.behave(redirect_to=None)
    acme.request(1)
    acme.server.behave(redirect_to="alt.example")

    assert (redirected.code, redirected.max_age) == ("5.03", 600)
    assert decode_redirect(redirected.payload) == RedirectedSignal(
        alt_server="alt.example", alt_server_record=("192.0.2.7", "2001:db8::7")
    )
    assert acme.request(2, scope("203.0.113.8/32")).code == "2.01"


@pytest.mark.rule("SS-080")
def test_a_client_that_ignores_a_redirection_may_be_rejected() -> None:
    server = OfflineProvider(redirect_to="alt.example", redirect_ttl_s=600, rejects_redirected=True)
    acme, globex = server.client(), server.client("globex", number=2)
    other = scope("203.0.113.8/32")

    assert acme.request(1).code == "5.03"
    assert acme.request(1).code == "5.03", "a repeat, for the answer may be lost"
    assert acme.request(2, other).code == "4.03"
    assert globex.request(2, scope("198.51.100.1/32")).code == "5.03"
    server.wait(600)
    assert acme.request(2, other).code == "5.03"
    assert acme.request(3, other).code == "4.03"
    server.provider.forget_everything()
    assert server.client(number=3).request(3, other).code == "5.03"


@pytest.mark.rule("SS-080")
def test_by_default_every_request_is_redirected_again() -> None:
    acme = OfflineProvider(redirect_to="alt.example").client()

    assert [acme.request(mid).code for mid in (1, 2)] == ["5.03", "5.03"]


@pytest.mark.rule("SS-086")
def test_a_loop_of_gateways_is_reported_with_their_names_and_a_hop_limit_of_0_is_refused() -> None:
    acme = OfflineProvider(hop_loop="gw1.example gw2.example").client()

    looped = acme.request(1)
    acme.server.behave(hop_loop=None)

    assert (looped.code, looped.payload) == ("5.08", b"gw1.example gw2.example")
    assert looped.content_format is None
    assert acme.get(hop_limit=0).code == "4.00"
    assert acme.get(hop_limit=1).code == "4.04"


@pytest.mark.rule("SS-005")
def test_a_diagnostic_is_not_cbor() -> None:
    refused = OfflineProvider().client().request(1, scope("198.51.100.1/32"))

    with pytest.raises(DecodeError):
        decode_mitigations(refused.payload)

from __future__ import annotations

import pytest

from dots_client import (
    INDEFINITE,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    MitigationStatus,
    Targets,
)
from tests.provider_simulator.offline import OfflineProvider, report, scope, statuses


@pytest.mark.rule("SS-032")
def test_a_higher_mid_replaces_the_overlapping_lower_one() -> None:
    acme = OfflineProvider().client()
    acme.request(1, scope("203.0.113.0/28"))

    assert acme.request(2, scope("203.0.113.7/32")).code == "2.01"

    assert acme.get(1).code == "4.04"
    assert acme.get(2).code == "2.05"


@pytest.mark.rule("SS-032")
def test_the_observer_of_a_replaced_mitigation_gets_4_04() -> None:
    acme = OfflineProvider().client()
    acme.request(1)
    acme.observe(1)
    acme.request(2)

    [notification] = acme.server.wait(5)

    assert notification.response.code == "4.04"
    assert notification.is_last


@pytest.mark.rule("SS-033")
def test_a_lower_overlapping_mid_is_refused_with_the_mid_that_won() -> None:
    acme = OfflineProvider().client()
    acme.request(5, scope("203.0.113.0/28"))

    refused = acme.request(4, scope("203.0.113.7/32"))

    assert refused.code == "4.09"
    assert report(refused).conflict == ConflictInformation(
        cause=ConflictCause.OVERLAPPING_TARGETS,
        targets=Targets(target_prefix=("203.0.113.7/32",)),
        mid=5,
    )


def test_a_lower_mid_without_overlap_is_accepted() -> None:
    acme = OfflineProvider().client()
    acme.request(5, scope("203.0.113.1/32"))

    assert acme.request(4, scope("203.0.113.2/32")).code == "2.01"


@pytest.mark.rule("SS-059")
@pytest.mark.rule("SS-061")
def test_a_target_that_another_client_has_is_refused_for_the_rest_of_its_lifetime() -> None:
    server = OfflineProvider()
    acme, globex = server.client("acme"), server.client("globex", cuid="other", number=2)
    acme.request(1, scope("192.0.2.0/25", lifetime=1800))
    server.wait(10)

    refused = globex.request(1, scope("192.0.2.0/24"))

    assert refused.code == "4.09"
    assert report(refused).conflict == ConflictInformation(
        status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
        cause=ConflictCause.OVERLAPPING_TARGETS,
        retry_timer_s=1790,
        targets=Targets(target_prefix=("192.0.2.0/25",)),
    )
    assert globex.get(1).code == "4.04"


@pytest.mark.rule("SS-061")
def test_against_an_indefinite_winner_the_retry_timer_is_the_operators() -> None:
    server = OfflineProvider(retry_after_s=77)
    acme, globex = server.client("acme"), server.client("globex", cuid="other", number=2)
    acme.request(1, scope("192.0.2.0/25", lifetime=INDEFINITE))

    conflict = report(globex.request(1, scope("192.0.2.0/24"))).conflict

    assert conflict is not None
    assert conflict.retry_timer_s == 77


@pytest.mark.rule("SS-063")
def test_the_winner_of_a_conflict_is_notified_that_it_continues() -> None:
    server = OfflineProvider(status_delay_s=60)
    acme, globex = server.client("acme"), server.client("globex", cuid="other", number=2)
    acme.request(1, scope("192.0.2.0/25"))
    acme.observe(1)

    globex.request(1, scope("192.0.2.0/24"))
    first = report(server.wait(3)[0].response)

    assert first.status is MitigationStatus.IN_PROGRESS
    assert first.conflict is not None
    assert first.conflict.status is ConflictStatus.REQUEST_ACTIVE


@pytest.mark.rule("SS-056")
def test_an_immediate_request_deactivates_an_active_preconfigured_one() -> None:
    server = OfflineProvider(notify_interval_s=3)
    acme = server.client()
    acme.request(1, scope("203.0.113.0/24", trigger_mitigation=False))
    server.provider.set_status(acme.cuid, 1, MitigationStatus.MITIGATING, now=server.now)
    acme.observe(1)

    assert acme.request(2).code == "2.01"

    assert statuses(server.wait(60)) == [MitigationStatus.WITHDRAWN] * 4 + [
        MitigationStatus.SIGNAL_LOSS
    ]


def test_an_armed_request_and_an_immediate_one_coexist() -> None:
    acme = OfflineProvider().client()
    acme.request(1, scope("203.0.113.0/24", trigger_mitigation=False))

    assert acme.request(2).code == "2.01"

    assert acme.status(1) is MitigationStatus.SIGNAL_LOSS
    assert acme.status(2) is MitigationStatus.IN_PROGRESS


@pytest.mark.rule("SS-062")
@pytest.mark.rule("SS-063")
def test_a_request_that_is_withdrawn_for_a_conflict_lives_45_seconds_beyond_its_retry_timer() -> (
    None
):
    server = OfflineProvider()
    acme = server.client()
    acme.request(1)
    server.provider.set_status(
        acme.cuid, 1, MitigationStatus.WITHDRAWN, now=server.now, retry_timer_s=600
    )

    held = report(acme.get(1))
    server.wait(644)
    still_there = acme.get(1).code
    server.wait(10)

    assert (held.status, held.lifetime) == (MitigationStatus.WITHDRAWN, 645)
    assert held.conflict is not None
    assert held.conflict.status is ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE
    assert (still_there, acme.get(1).code) == ("2.05", "4.04")


def test_inactive_mitigations_of_other_clients_are_no_conflict() -> None:
    server = OfflineProvider()
    acme, globex = server.client("acme"), server.client("globex", cuid="other", number=2)
    acme.request(1, scope("192.0.2.0/25", trigger_mitigation=False))

    assert globex.request(1, scope("192.0.2.0/24")).code == "2.01"

from __future__ import annotations

import pytest

from dots_client import AttackStatus, MitigationStatus
from dots_client.server import mitigate_path
from tests.provider_simulator.offline import OfflineClient, OfflineProvider, report, scope

WITHOUT_LIFETIME = bytes.fromhex("a101a10281a206816e3230332e302e3131332e372f3332181d01")


@pytest.fixture
def acme() -> OfflineClient:
    client = OfflineProvider().client()
    client.request(1, scope(lifetime=100))
    client.server.wait(40)
    return client


@pytest.mark.rule("SS-046")
@pytest.mark.rule("SS-048")
def test_an_efficacy_update_is_accepted_and_refreshes_the_request(acme: OfflineClient) -> None:
    response = acme.efficacy(1, scope(lifetime=100))

    assert response is not None
    assert response.code == "2.04"
    assert report(response).lifetime == 100
    held = acme.server.provider.register.find("acme", acme.cuid, 1)
    assert held is not None
    assert held.efficacy is AttackStatus.UNDER_ATTACK


@pytest.mark.rule("SS-049")
def test_an_efficacy_update_without_lifetime_renews_the_original_lifetime(
    acme: OfflineClient,
) -> None:
    response = acme.answered(
        "PUT", mitigate_path(acme.cuid, 1), payload=WITHOUT_LIFETIME, if_match=(b"",)
    )

    assert report(response).lifetime == 100


@pytest.mark.rule("SS-046")
def test_an_efficacy_update_for_an_unknown_mid_gets_no_answer_and_creates_nothing(
    acme: OfflineClient,
) -> None:
    assert acme.efficacy(2) is None
    assert acme.get(2).code == "4.04"


@pytest.mark.rule("SS-047")
def test_an_efficacy_update_with_another_scope_is_refused(acme: OfflineClient) -> None:
    response = acme.efficacy(1, scope("203.0.113.8/32"))

    assert response is not None
    assert response.code == "4.00"
    assert (
        acme.server.provider.state(now=acme.server.now)["mitigations"][0]["attack_status"] is None
    )


def test_an_efficacy_update_without_attack_status_is_refused(acme: OfflineClient) -> None:
    body = bytes.fromhex("a101a10281a206816e3230332e302e3131332e372f33320e1864")

    response = acme.answered("PUT", mitigate_path(acme.cuid, 1), payload=body, if_match=(b"",))

    assert response.code == "4.00"


@pytest.mark.rule("SS-048")
@pytest.mark.parametrize(
    "status", [MitigationStatus.EXCEEDED_CAPABILITY, MitigationStatus.WITHDRAWN]
)
def test_an_efficacy_update_for_a_failed_mitigation_gets_5_03_with_max_age(
    acme: OfflineClient, status: MitigationStatus
) -> None:
    acme.server.provider.set_status(acme.cuid, 1, status, now=acme.server.now)

    response = acme.efficacy(1, scope(lifetime=100))

    assert response is not None
    assert (response.code, response.max_age) == ("5.03", 60)


def test_a_non_empty_if_match_fails(acme: OfflineClient) -> None:
    response = acme.efficacy(1, scope(lifetime=100), if_match=b"x")

    assert response is not None
    assert response.code == "4.12"

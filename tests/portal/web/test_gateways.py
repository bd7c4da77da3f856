"""What pages say about gateways and relays on the path to a provider."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.organizations.models import ProtectedResource
from portal.providers.models import Provider, Subscription
from portal.wording.from_rows.mitigations import asked_because
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, filtering, mitigations_of, sent
from tests.portal.web.provider_cards import page_of, silent


@pytest.fixture
def through(acme_northgate: Subscription) -> Callable[[str], None]:
    def through(kind: str) -> None:
        Provider.objects.filter(pk=acme_northgate.provider_id).update(
            path_kind=kind, path_name="Edge 1"
        )

    return through


def test_a_card_says_that_the_connection_ends_at_a_gateway(
    alice: User, ask: Ask, client_of: ClientOf, through: Callable[[str], None]
) -> None:
    request = ask()
    silent(request)
    through("gateway")
    Subscription.objects.update(session_state="down")

    page = page_of(client_of, alice, request)

    assert "Goes through gateway Edge 1, which connects to Northgate." in page
    assert "Gateway Edge 1 is unreachable." in page
    assert "mid 1 at gateway Edge 1" in page


def test_a_connected_gateway_does_not_prove_the_provider_behind_it(
    alice: User, ask: Ask, client_of: ClientOf, through: Callable[[str], None]
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    long_ago = timezone.now() - timedelta(minutes=3)
    Mitigation.objects.update(last_heard_at=long_ago)
    Subscription.objects.update(last_heard_at=timezone.now())
    assert "this is the last known status" not in page_of(client_of, alice, request)

    through("gateway")

    assert "this is the last known status" in page_of(client_of, alice, request)


def test_statements_of_a_gateway_are_attributed_to_it(
    alice: User, ask: Ask, client_of: ClientOf, through: Callable[[str], None]
) -> None:
    request = ask()
    through("gateway")
    sent(mitigations_of(request)[0], timezone.now())
    services.record_unavailable(
        mitigation_id=mitigations_of(request)[0].pk,
        code="5.03",
        reason="the provider does not answer",
        retry_at=timezone.now() + timedelta(seconds=5),
        now=timezone.now(),
    )

    page = page_of(client_of, alice, request)

    assert "Gateway Edge 1 says: the provider does not answer." in page
    assert "Northgate says" not in page
    assert (
        asked_because(mitigations_of(request)[1])
        == "gateway Edge 1 asked the portal to retry later"
    )


def test_a_relay_is_named_without_other_changes(
    alice: User, ask: Ask, client_of: ClientOf, through: Callable[[str], None]
) -> None:
    request = ask()
    through("relay")

    page = page_of(client_of, alice, request)

    assert "Goes through relay Edge 1, which passes it on to Northgate unread." in page


def test_the_now_page_does_not_call_a_provider_behind_a_gateway_connected(
    alice: User,
    client_of: ClientOf,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    through: Callable[[str], None],
) -> None:
    through("gateway")

    page = client_of(alice).get("/organizations/acme/").content.decode()

    assert "The connection for Northgate ends at gateway Edge 1." in page
    assert "Connected to gateway Edge 1, which connects to Northgate. Since" in page


def test_a_gateway_loop_is_named_and_not_called_a_refusal(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    sent(mitigations_of(request)[0], timezone.now())
    services.record_refused(
        mitigation_id=mitigations_of(request)[0].pk,
        code="5.08",
        reason="edge-1, core-2",
        now=timezone.now(),
    )
    sent(mitigations_of(request)[1], timezone.now())

    page = page_of(client_of, alice, request)

    assert "The request did not reach Northgate.</strong> It looped through" in page
    assert "edge-1 and core-2. Their operators must fix this." in page
    northgate = page.split("Northgate Scrubbing </h3>")[1].split("<h3>")[0]
    assert "Last heard" not in northgate
    assert (
        "The portal does not retry Northgate automatically. Ask it again when they have fixed it."
        in page
    )
    assert "Ask Northgate again now" in page
    assert "Asked because the request did not reach Northgate." in page
    assert ">The request did not reach Northgate.<" in page
    assert "Northgate refused" not in page

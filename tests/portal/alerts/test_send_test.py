from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.endpoint_settings import HostTarget
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint, ReceivedAlert
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.poll_settings import PollWish
from portal.alerts.services.send_test import send_test
from portal.organizations.models import Organization, ProtectedResource
from tests.portal.alerts.detector_apis import KEY, KEY_ID, TOKEN

POLLED = {
    AlertSource.SIGHTLINE: PollWish(url="https://sightline.example", secret=TOKEN),
    AlertSource.AWS_SHIELD: PollWish(key_id=KEY_ID, secret=KEY),
}


@pytest.mark.parametrize("source", list(AlertSource))
def test_the_test_of_each_source_makes_an_alert_marked_as_a_test(
    alice: User, acme: Organization, shop: ProtectedResource, source: AlertSource
) -> None:
    endpoint, _ = add_endpoint(
        organization=acme,
        actor=Actor.person(alice),
        wish=EndpointWish(
            name="Edge",
            source=source,
            default_resource=shop.pk,
            has_default_resource=True,
            hosts={"shop.acme.example": shop.pk},
            poll=POLLED.get(source),
        ),
    )
    assert endpoint.hosts == (HostTarget("shop.acme.example", shop.pk),)
    # A detector names addresses; the default resource is a prefix.
    ProtectedResource.objects.update(value="203.0.113.7/32")

    assert send_test(endpoint=endpoint, actor=Actor.person(alice)).accepted == 1
    assert map_waiting() == 1

    row = ReceivedAlert.objects.get()
    assert (row.is_test, row.verdict) == (True, "ours")
    assert AlertEndpoint.objects.get().last_used_at is None

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint
from portal.alerts.services import map_waiting
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.poll_settings import PollWish
from portal.alerts.sources.aws_shield import poller as aws_shield
from portal.organizations.models import Organization, ProtectedResource
from tests.portal.alerts.detector_apis import KEY, KEY_ID, TOKEN, Shield, Sightline, serving
from tests.portal.alerts.polled import PolledShield, PolledSightline


@dataclass(frozen=True)
class Detector:
    """An endpoint of acme, and the secret that its detector knows."""

    endpoint: AlertEndpoint
    secret: str

    @property
    def path(self) -> str:
        return f"/api/v1/alerts/{self.endpoint.pk}"


@pytest.fixture(autouse=True)
def _time_to_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a run would map less than these tests expect."""
    monkeypatch.setattr(map_waiting, "RUN_FOR_S", 600)


@pytest.fixture
def detector(alice: User, acme: Organization, shop: ProtectedResource) -> Detector:
    """Sends plain JSON."""
    return Detector(
        *add_endpoint(
            organization=acme,
            actor=Actor.person(alice),
            wish=EndpointWish(name="Edge", source=AlertSource.PLAIN),
        )
    )


@pytest.fixture
def sightline_api(settings: Any) -> Iterator[Sightline]:
    settings.PORTAL_ALERT_NETWORKS = [ip_network("127.0.0.0/8")]
    api = Sightline()
    with serving(api):
        yield api


@pytest.fixture
def shield_api(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shield]:
    settings.PORTAL_ALERT_NETWORKS = [ip_network("127.0.0.0/8")]
    api = Shield()
    with serving(api):
        monkeypatch.setattr(aws_shield, "URL", f"{api.url}/")
        yield api


@pytest.fixture
def sightline(
    alice: User, acme: Organization, shop: ProtectedResource, sightline_api: Sightline
) -> PolledSightline:
    wish = EndpointWish(
        name="Sightline",
        source=AlertSource.SIGHTLINE,
        poll=PollWish(url=sightline_api.url, secret=TOKEN),
    )
    endpoint, _ = add_endpoint(organization=acme, actor=Actor.person(alice), wish=wish)
    return PolledSightline(endpoint, sightline_api)


@pytest.fixture
def shield(
    alice: User, acme: Organization, shop: ProtectedResource, shield_api: Shield
) -> PolledShield:
    wish = EndpointWish(
        name="AWS", source=AlertSource.AWS_SHIELD, poll=PollWish(key_id=KEY_ID, secret=KEY)
    )
    endpoint, _ = add_endpoint(organization=acme, actor=Actor.person(alice), wish=wish)
    return PolledShield(endpoint, shield_api)

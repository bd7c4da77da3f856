from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf

REQUESTS = "/api/v1/organizations/acme/mitigation-requests"
NEW = {"targets": {"prefixes": ["203.0.113.7/32"]}, "lifetime": 3600, "strategy": "parallel"}


@pytest.fixture
def asked(
    dana: User,
    api_of: ApiOf,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> MitigationRequest:
    """Northgate holds it; Tidewall refused."""
    api_of(dana).post(REQUESTS, NEW)
    request = MitigationRequest.objects.get()
    northgate, tidewall = request.mitigations.order_by("position")
    now = timezone.now()
    for mitigation in (northgate, tidewall):
        services.record_sending(mitigation_id=mitigation.pk, now=now)
    services.record_confirmed(mitigation_id=northgate.pk, lifetime_s=3600, asked_at=now, now=now)
    services.record_refused(mitigation_id=tidewall.pk, code="4.03", reason="", now=now)
    return request


def url(request: MitigationRequest) -> str:
    return f"{REQUESTS}/{request.pk}/extend/preview"


def body(lifetime_s: int) -> dict[str, object]:
    scope = {"target-prefix": ["203.0.113.7/32"], "lifetime": lifetime_s}
    return {"ietf-dots-signal-channel:mitigation-scope": {"scope": [scope]}}


def test_the_message_is_returned_before_and_after(
    dana: User, api_of: ApiOf, asked: MitigationRequest, acme_northgate: Subscription
) -> None:
    answer = api_of(dana).post(url(asked), {"lifetime": 14400})

    assert answer.status_code == 200
    preview = answer.json()
    mitigation = Mitigation.objects.get(subscription=acme_northgate)
    [message] = preview["messages"]
    assert message == {
        "subscription": str(acme_northgate.pk),
        "provider": "Northgate Scrubbing",
        "mitigation": str(mitigation.pk),
        "when": "Northgate gets this now",
        "before": {"lifetime": 3600, "body": body(3600)},
        "lifetime": 14400,
        "path": f"/.well-known/dots/mitigate/cuid={acme_northgate.cuid}/mid={mitigation.mid}",
        "body": body(14400),
        "payload": "a101a10281a206816e3230332e302e3131332e372f33320e193840",
        "size": message["size"],
        "limit": 1195,
    }
    assert preview["lifetime"] == 14400
    [left_out] = preview["left_out"]
    assert left_out["provider"] == "Tidewall"
    assert left_out["reason"].startswith("Tidewall refused at")


def test_each_provider_is_asked_for_the_lifetime_it_grants(
    dana: User, api_of: ApiOf, asked: MitigationRequest, acme_northgate: Subscription
) -> None:
    acme_northgate.provider.max_lifetime_s = 7200
    acme_northgate.provider.save(update_fields=["max_lifetime_s"])
    api = api_of(dana)

    [message] = api.post(url(asked), {"lifetime": 14400}).json()["messages"]
    api.post(f"{REQUESTS}/{asked.pk}/extend", {"lifetime": 14400})

    assert (message["lifetime"], message["body"]) == (7200, body(7200))
    assert Mitigation.objects.get(subscription=acme_northgate).lifetime_s == 7200


def test_a_preview_sends_and_saves_nothing(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    before = list(Mitigation.objects.values()), Event.objects.count()

    api_of(dana).post(url(asked), {"lifetime": 14400})

    assert (list(Mitigation.objects.values()), Event.objects.count()) == before
    asked.refresh_from_db()
    assert asked.lifetime_s == 3600


@pytest.mark.parametrize(
    "sent",
    [{}, {"lifetime": None}, {"lifetime": 1}, {"lifetime": 10**9}, {"lifetime": 60, "x": 1}, []],
)
def test_errors_equal_those_of_extending(
    dana: User, api_of: ApiOf, asked: MitigationRequest, sent: object
) -> None:
    api = api_of(dana)

    previewed = api.post(url(asked), sent)
    extended = api.post(f"{REQUESTS}/{asked.pk}/extend", sent)

    assert previewed.status_code == extended.status_code == 400
    assert previewed.json() == extended.json()


def test_an_ended_request_is_a_conflict(
    dana: User, alice: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    services.terminate(request_id=asked.pk, actor=Actor.person(alice))

    answer = api_of(dana).post(url(asked), {"lifetime": 3600})

    assert (answer.status_code, answer.json()["code"]) == (409, "terminated")


def test_viewers_and_other_tenants_are_refused(
    bob: User, charlie: User, api_of: ApiOf, asked: MitigationRequest, globex: Organization
) -> None:
    assert api_of(bob).post(url(asked), {"lifetime": 3600}).status_code == 403
    assert api_of(charlie).post(url(asked), {"lifetime": 3600}).status_code == 404
    elsewhere = url(asked).replace("acme", "globex")
    assert api_of(charlie).post(elsewhere, {"lifetime": 3600}).status_code == 404

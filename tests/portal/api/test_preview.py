from __future__ import annotations

from ipaddress import ip_network

import pytest

from portal.accounts.models import User
from portal.core.targets import PortRange
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission, message_bytes
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.signaling.previews.preview_messages import preview
from tests.conftest import ApiOf
from tests.factories import ResourceFactory

REQUESTS = "/api/v1/organizations/acme/mitigation-requests"
URL = f"{REQUESTS}/preview"
NEW = {"targets": {"prefixes": ["203.0.113.7/32"]}, "lifetime": 3600}


@pytest.fixture(autouse=True)
def _prepared(
    shop: ProtectedResource, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    """Acme may protect 203.0.113.0/26, at Northgate, then at Tidewall."""


def test_messages_are_returned_in_the_order_of_sending(
    dana: User, api_of: ApiOf, acme_northgate: Subscription
) -> None:
    answer = api_of(dana).post(URL, NEW)

    assert answer.status_code == 200
    first, second = answer.json()["messages"]
    assert first == {
        "subscription": str(acme_northgate.pk),
        "provider": "Northgate Scrubbing",
        "is_sent_at_once": True,
        "when": "Northgate gets this now",
        "targets": {"prefixes": ["203.0.113.7/32"], "fqdns": [], "uris": []},
        "lifetime": 3600,
        "path": f"/.well-known/dots/mitigate/cuid={acme_northgate.cuid}/mid=1",
        "body": {
            "ietf-dots-signal-channel:mitigation-scope": {
                "scope": [{"target-prefix": ["203.0.113.7/32"], "lifetime": 3600}]
            }
        },
        "payload": "a101a10281a206816e3230332e302e3131332e372f33320e190e10",
        "size": first["size"],
        "limit": 1195,
    }
    assert second["is_sent_at_once"] is False
    assert second["when"].startswith("Tidewall gets this only if Northgate refuses")


def test_each_provider_gets_its_own_part(
    dana: User,
    api_of: ApiOf,
    acme: Organization,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    ResourceFactory.create(organization=acme, value="198.51.100.0/24")
    acme_northgate.limited_to = (ip_network("203.0.113.0/24"),)
    acme_northgate.save(update_fields=["limited_to"])
    both = {"targets": {"prefixes": ["203.0.113.7/32", "198.51.100.7/32"]}}

    first, second = api_of(dana).post(URL, both).json()["messages"]

    assert first["targets"]["prefixes"] == ["203.0.113.7/32"]
    assert "198.51.100.7" not in str(first["body"])
    assert second["targets"]["prefixes"] == ["198.51.100.7/32", "203.0.113.7/32"]
    # Tidewall is the first that may protect the other address.
    assert (first["is_sent_at_once"], second["is_sent_at_once"]) == (True, True)


def test_a_provider_that_may_protect_no_target_is_named(
    dana: User, api_of: ApiOf, acme_tidewall: Subscription
) -> None:
    acme_tidewall.limited_to = (ip_network("198.51.100.0/24"),)
    acme_tidewall.save(update_fields=["limited_to"])

    preview = api_of(dana).post(URL, NEW).json()

    assert len(preview["messages"]) == 1
    assert preview["left_out"] == [
        {
            "subscription": str(acme_tidewall.pk),
            "provider": "Tidewall",
            "reason": "Tidewall may protect only 198.51.100.0/24",
        }
    ]


def test_the_previewed_messages_are_sent(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    messages = api.post(URL, NEW).json()["messages"]

    asked = api.post(REQUESTS, NEW).json()["mitigations"]

    at_once = [one["subscription"] for one in messages if one["is_sent_at_once"]]
    assert [one["subscription"] for one in asked] == at_once
    assert f"/mid={asked[0]['mid']}" in messages[0]["path"]


def test_a_preview_sends_and_saves_nothing(
    dana: User, api_of: ApiOf, acme_northgate: Subscription
) -> None:
    api_of(dana).post(URL, NEW)

    acme_northgate.refresh_from_db()
    assert acme_northgate.next_mid == 1
    assert not MitigationRequest.objects.exists()
    assert not Event.objects.exists()


def test_overlapping_requests_are_named(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    live = api.post(REQUESTS, NEW).json()

    [overlap] = api.post(URL, NEW).json()["overlaps"]

    assert overlap == {"id": live["id"], "name": "203.0.113.7/32", "status": "requesting"}


@pytest.mark.parametrize(
    "body",
    [
        {"targets": {"prefixes": ["203.0.113.7/24"]}},
        {"targets": {}},
        {"targets": {"prefixes": ["198.51.100.0/24"]}},
        {**NEW, "lifetime": 1},
        {**NEW, "ports": [{"lower": 443, "upper": 80}]},
        {**NEW, "unknown": 1},
        [],
    ],
)
def test_errors_equal_those_of_submitting(dana: User, api_of: ApiOf, body: object) -> None:
    api = api_of(dana)

    previewed, submitted = api.post(URL, body), api.post(REQUESTS, body)

    assert previewed.status_code == submitted.status_code == 400
    assert previewed.json() == submitted.json()


@pytest.mark.parametrize("count", [1, 8, 32])
def test_the_checked_size_is_never_below_the_real_size(acme: Organization, count: int) -> None:
    ResourceFactory.create(organization=acme, value="2001:db8::/32")
    prefixes = tuple(f"2001:db8:{n:x}::{n:x}/128" for n in range(1, count + 1))
    ports = tuple(PortRange(number, number + 1) for number in range(0, 2 * count, 2))
    submission = Submission(prefixes=prefixes, ports=ports, protocols=tuple(range(count)))

    found = preview(acme, submission)

    for planned in found.planned:
        checked = found.checked
        bound = message_bytes(
            planned.assigned.scope, ports=checked.ports, protocols=checked.protocols
        )
        # A longer cuid and mid, the efficacy of an update, and that it is to be held.
        assert planned.size <= bound <= planned.size + 50

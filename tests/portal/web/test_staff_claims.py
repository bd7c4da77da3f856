"""Staff see which resources wait, compare both sides, and verify or refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.core.targets import Targets
from portal.events.acts import record_acts
from portal.events.models import Event
from portal.organizations.models import Organization, ProtectedResource
from portal.ownership.models import ResourceClaim, ResourceProof, WaitsBecause
from portal.ownership.states import ProofMethod, ProofResult
from portal.rpki.models import RouteOrigins, ValidatorExport
from portal.rpki.validity import Vrp
from portal.web.staff.claims_page import PAGE_ROWS
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory
from tests.portal.organizations.mails import mails_to

URL = "/portal/claims/"
API = "/api/v1/claims"
REASON = "RIPE names another holder"


@pytest.fixture
def staff(mo: User, client_of: ClientOf) -> Client:
    return client_of(mo)


def waiting(organization: Organization, value: str, **more: Any) -> ProtectedResource:
    resource = ResourceFactory.create(
        organization=organization, name=f"Net {value}", value=value, verified_at=None
    )
    claim = {"waits_since": timezone.now(), "waits_because": WaitsBecause.ASKED, **more}
    ResourceClaim.objects.filter(resource=resource).update(**claim)
    return resource


@pytest.fixture
def wanted(globex: Organization, shop: ProtectedResource) -> ProtectedResource:
    """Inside a verified network of Acme."""
    return waiting(globex, "203.0.113.0/27")


def test_the_resource_that_has_waited_longest_is_first(
    staff: Client, acme: Organization, wanted: ProtectedResource
) -> None:
    waiting(acme, "198.51.100.0/24", waits_since=timezone.now() - timedelta(days=2))
    ResourceFactory.create(organization=acme, value="192.0.2.0/24", verified_at=None)

    page = staff.get(URL).content.decode()
    portal = staff.get("/portal/organizations/").content.decode()

    assert "2\u00a0resources wait for a decision" in page
    assert page.index("198.51.100.0/24") < page.index("203.0.113.0/27")
    assert "192.0.2.0/24" not in page
    assert "2\u00a0resources wait for a decision" in portal


def test_the_list_has_pages_and_a_fixed_number_of_queries(
    staff: Client,
    acme: Organization,
    api_of: ApiOf,
    mo: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(PAGE_ROWS + 1):
        waiting(acme, f"198.51.100.{number}/32")

    with django_assert_max_num_queries(12):
        first = staff.get(URL).content.decode()
    last = staff.get(f"{URL}?page=2").content.decode()
    read = api_of(mo).get(API).json()

    assert first.count('<li>\n          <div class="namerow">') == PAGE_ROWS
    assert "?page=2" in first
    assert f"198.51.100.{PAGE_ROWS}/32" in last
    assert (read["count"], len(read["results"])) == (PAGE_ROWS + 1, PAGE_ROWS)
    assert len(api_of(mo).get(read["next"]).json()["results"]) == 1


def test_each_side_has_its_proofs_and_its_routes(
    staff: Client,
    mo: User,
    wanted: ProtectedResource,
    shop: ProtectedResource,
    api_of: ApiOf,
    settings: Settings,
) -> None:
    settings.PORTAL_RPKI_SOURCE = "/nowhere"
    ValidatorExport.objects.create(pk=1, generated_at=timezone.now(), payloads=1)
    [network] = Targets.of([shop.target]).prefixes
    vrp = Vrp(prefix=network.supernet(new_prefix=24), max_length=24, asn=64500)
    RouteOrigins.objects.create(route="203.0.113.0/24", vrps=(vrp,))
    ResourceProof.objects.create(
        resource=shop,
        method=ProofMethod.DNS,
        asked_at=timezone.now(),
        ended_at=timezone.now(),
        result=ProofResult.FOUND,
        is_signed=True,
    )

    page = staff.get(f"{URL}{wanted.pk}/").content.decode()
    read = api_of(mo).get(f"{API}/{wanted.pk}").json()

    own, other = (
        page.partition(f'id="side-{number}"')[2].partition("</section>")[0] for number in (0, 1)
    )
    assert "Globex" in own
    assert "No check of a DNS record or a file." in own
    assert "Acme" in other
    assert "The answer was validated by DNSSEC." in other
    assert "AS64500 may announce 203.0.113.0/24." in other
    assert read["claim"]["organization"] == {"slug": "globex", "name": "Globex"}
    [overlap] = read["overlaps"]
    assert overlap["organization"]["slug"] == "acme"
    assert overlap["proofs"][0]["signed"] is True
    assert overlap["roas"] == [{"prefix": "203.0.113.0/24", "max_length": 24, "asn": 64500}]


def test_a_decision_reaches_the_admins_the_log_and_the_audit(
    staff: Client, charlie: User, globex: Organization, wanted: ProtectedResource
) -> None:
    User.objects.filter(pk=charlie.pk).update(email="charlie@example.com")

    refused = staff.post(f"{URL}{wanted.pk}/refuse", {"reason": REASON}, follow=True)
    seen = staff.get(f"{URL}{wanted.pk}/").content.decode()
    token = seen.partition('name="overlaps_seen" value="')[2].partition('"')[0]
    verified = staff.post(
        f"{URL}{wanted.pk}/verify",
        {"reason": "Reassigned by Acme last week", "overlaps_seen": token},
        follow=True,
    )

    assert "Globex reads that" in refused.content.decode()
    assert "Globex may now request protection" in verified.content.decode()
    record_acts()
    types = Event.objects.filter(organization_id=globex.pk).values_list("type", flat=True)
    assert {"resource.refused", "resource.verified"} <= set(types)
    entries = AuditEntry.objects.filter(organization_id=globex.pk, is_by_staff=True)
    assert {"resource.refused", "resource.verified"} <= set(entries.values_list("verb", flat=True))
    first, second = mails_to("charlie@example.com")
    assert REASON in first
    assert "203.0.113.0/27" in second
    assert not any("Acme" in mail or "last week" in mail for mail in (first, second))


@pytest.mark.parametrize("reason", ["", "   ", "too short", "x" * 501, "A reason\x00 with NUL"])
def test_every_door_wants_a_reason_of_10_to_500_characters(
    staff: Client, mo: User, wanted: ProtectedResource, api_of: ApiOf, reason: str
) -> None:
    api = api_of(mo)

    page = staff.post(f"{URL}{wanted.pk}/refuse", {"reason": reason})
    called = api.post(f"{API}/{wanted.pk}/refuse", {"reason": reason}, format="json")

    assert (page.status_code, called.status_code) == (400, 400)
    assert called.json()["errors"][0]["field"] == "reason"
    claim = ResourceClaim.objects.get(resource=wanted)
    assert claim.refused_at is None


def test_the_api_refuses_what_the_page_refuses(
    mo: User, wanted: ProtectedResource, shop: ProtectedResource, api_of: ApiOf
) -> None:
    api = api_of(mo)
    seen = api.get(f"{API}/{wanted.pk}").json()["overlaps_seen"]

    unseen = api.post(f"{API}/{wanted.pk}/verify", {"reason": REASON}, format="json")
    without = api.post(f"{API}/{wanted.pk}/verify", {"overlaps_seen": seen}, format="json")
    verified = api.post(
        f"{API}/{wanted.pk}/verify", {"overlaps_seen": seen, "reason": REASON}, format="json"
    )
    late = api.post(f"{API}/{wanted.pk}/refuse", {"reason": REASON}, format="json")

    assert [one.json()["errors"][0]["code"] for one in (unseen, without)] == [
        "overlaps", "reason-required",
    ]  # fmt: skip
    assert (verified.status_code, verified.json()["claim"]["state"]) == (200, "verified")
    assert (late.status_code, late.json()["code"]) == (409, "already-verified")


def test_a_decision_needs_a_fresh_factor(
    staff: Client, mo: User, wanted: ProtectedResource, api_of: ApiOf
) -> None:
    session = staff.session
    session["factor_at"] = 0.0
    session.save()
    api = api_of(mo)
    ApiToken.objects.update(factor_at=None)

    page = staff.post(f"{URL}{wanted.pk}/refuse", {"reason": REASON})
    called = api.post(f"{API}/{wanted.pk}/refuse", {"reason": REASON}, format="json")

    assert 'name="step_up_code"' in page.content.decode()
    assert (called.status_code, called.json()["code"]) == (403, "fresh-factor-required")
    assert ResourceClaim.objects.get(resource=wanted).refused_at is None


def test_a_removed_resource_is_not_found(staff: Client, wanted: ProtectedResource) -> None:
    wanted.delete()

    answers = [
        staff.get(f"{URL}{wanted.pk}/"),
        staff.post(f"{URL}{wanted.pk}/verify"),
        staff.post(f"{URL}{wanted.pk}/refuse", {"reason": REASON}),
    ]

    assert [one.status_code for one in answers] == [404] * 3

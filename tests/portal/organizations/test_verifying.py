"""Staff verify one resource at a time, none that is too broad, and one that overlaps with another
tenant's only with a reason.
"""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import Invalid
from portal.core.targets import Target
from portal.events.acts import record_acts
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.validation import Submission
from portal.organizations import services
from portal.organizations.claims import overlaps, why_too_broad
from portal.organizations.models import Organization, ProtectedResource, ResourceKind
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf
from tests.factories import AuthenticatorFactory, ResourceFactory, UserFactory

LIST = "/admin/organizations/protectedresource/"
CLAIMS = "/portal/claims/"
TOO_BROAD = [
    ("prefix", "0.0.0.0/0"),
    ("prefix", "::/0"),
    *(("prefix", f"128.0.0.0/{length}") for length in range(1, 8)),
    ("prefix", "2000::/3"),
    ("prefix", "2600::/15"),
    ("fqdn", "co.uk"),
    ("fqdn", "com.au"),
    ("fqdn", "xn--55qx5d.cn"),
    ("fqdn", "foo.ck"),
    ("uri", "https://co.uk/shop"),
]
NARROW_ENOUGH = [
    ("prefix", "44.0.0.0/8"),
    ("prefix", "203.0.113.7/32"),
    ("prefix", "2600::/16"),
    ("prefix", "2001:db8::/32"),
    ("fqdn", "acme.co.uk"),
    ("fqdn", "www.ck"),
    ("fqdn", "github.io"),
    ("fqdn", "shop.acme.example"),
    ("uri", "https://203.0.113.7/shop"),
    ("uri", "https://[2001:db8::7]/shop"),
]
OVERLAPPING = [
    (("prefix", "203.0.113.0/27"), ("prefix", "203.0.113.0/26")),
    (("prefix", "203.0.0.0/16"), ("prefix", "203.0.113.0/26")),
    (("prefix", "2001:db8::/48"), ("prefix", "2001:db8::/32")),
    (("fqdn", "acme.example"), ("fqdn", "acme.example")),
    (("fqdn", "shop.acme.example"), ("fqdn", "acme.example")),
    (("uri", "https://shop.acme.example/a"), ("fqdn", "acme.example")),
    (("uri", "https://shop.acme.example/a"), ("uri", "https://shop.acme.example/b")),
    (("uri", "https://203.0.113.7/"), ("prefix", "203.0.113.0/26")),
]
APART = [
    (("prefix", "203.0.113.64/27"), ("prefix", "203.0.113.0/26")),
    (("prefix", "203.0.113.0/27"), ("prefix", "::ffff:203.0.113.0/123")),
    (("fqdn", "acme.example"), ("fqdn", "notacme.example")),
    (("fqdn", "shop.acme.example"), ("uri", "https://acme.example/")),
    (("fqdn", "acme.example"), ("prefix", "203.0.113.0/26")),
    (("uri", "https://203.0.113.99/"), ("prefix", "203.0.113.0/26")),
]


@pytest.mark.parametrize("claim", TOO_BROAD)
def test_a_shared_or_special_network_is_too_broad(claim: tuple[str, str]) -> None:
    assert why_too_broad(Target.saved(*claim))


@pytest.mark.parametrize("claim", NARROW_ENOUGH)
def test_a_network_of_one_organization_is_not_too_broad(claim: tuple[str, str]) -> None:
    assert why_too_broad(Target.saved(*claim)) == ""


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(*pair, True) for pair in OVERLAPPING] + [(*pair, False) for pair in APART],
)
def test_overlapping_is_symmetric(
    one: tuple[str, str], other: tuple[str, str], expected: bool
) -> None:
    first, second = Target.saved(*one), Target.saved(*other)

    assert overlaps(first, second) is overlaps(second, first) is expected


def test_a_too_broad_resource_is_neither_added_nor_verified(
    dana: User, mo: User, acme: Organization, api_of: ApiOf, client_of: ClientOf
) -> None:
    api, staff = api_of(dana), client_of(mo)
    for position, (kind, value) in enumerate(TOO_BROAD):
        body = {"name": f"New {position}", "kind": kind, "value": value}
        answer = api.post("/api/v1/organizations/acme/resources", body)
        assert answer.status_code == 400, value
        old = ResourceFactory.create(
            organization=acme, name=f"Old {position}", kind=kind, value=value, verified_at=None
        )
        page = staff.post(f"{CLAIMS}{old.pk}/verify", {"reason": "They say so"})
        assert page.status_code == 400, value
        assert "It cannot be verified." in page.content.decode()
    assert not ProtectedResource.objects.filter(verified_at__isnull=False).exists()


@pytest.fixture
def wanted(acme: Organization, globex: Organization) -> ProtectedResource:
    """A network of Globex inside one of Acme."""
    ResourceFactory.create(organization=acme, name="Shop", value="203.0.113.0/26")
    return ResourceFactory.create(
        organization=globex, name="Ours\u202e", value="203.0.113.0/27", verified_at=None
    )


def typed(page: str, reason: str) -> dict[str, str]:
    seen = re.search(r'name="overlaps_seen"\s+value="([0-9a-f]*)"', page)
    assert seen
    return {"overlaps_seen": seen[1], "reason": reason}


def test_an_overlap_with_another_tenant_is_named_and_needs_a_reason(
    mo: User, wanted: ProtectedResource, client_of: ClientOf
) -> None:
    staff, url = client_of(mo), f"{CLAIMS}{wanted.pk}/verify"

    shown = staff.get(f"{CLAIMS}{wanted.pk}/").content.decode()
    unseen = staff.post(url, {"reason": "Reassigned"})
    short = staff.post(url, typed(shown, "Because"))
    unreasoned = staff.post(url, typed(shown, " "))

    overlap = shown.partition('id="side-1"')[2].partition("</section>")[0]
    for one in ("Acme", "203.0.113.0/26", "Shop"):
        assert one in overlap
    assert "\u202e" not in shown
    assert [one.status_code for one in (unseen, short, unreasoned)] == [400] * 3
    assert "Say why in 10 to 500 characters" in short.content.decode()
    assert "Explain why it belongs to this organization" in unreasoned.content.decode()
    assert not ProtectedResource.objects.get(pk=wanted.pk).is_verified

    answer = staff.post(url, typed(unseen.content.decode(), "Reassigned, RIPE record of 2026"))

    verified = ProtectedResource.objects.get(pk=wanted.pk)
    assert answer.status_code == 302
    assert (verified.verified_by, verified.verification_reason) == (
        mo, "Reassigned, RIPE record of 2026",
    )  # fmt: skip
    record_acts()
    assert AuditEntry.objects.get(verb="resource.verified").actor_name == "mo"


def test_an_overlap_that_came_after_the_page_was_read_is_shown_first(
    mo: User, acme: Organization, wanted: ProtectedResource, client_of: ClientOf
) -> None:
    staff, url = client_of(mo), f"{CLAIMS}{wanted.pk}/verify"
    shown = staff.get(f"{CLAIMS}{wanted.pk}/").content.decode()
    ResourceFactory.create(organization=acme, name="Newer", value="203.0.113.0/28")

    answer = staff.post(url, typed(shown, "Reassigned"))

    assert answer.status_code == 400
    assert "listed below" in answer.content.decode()
    assert "203.0.113.0/28" in answer.content.decode()
    assert not ProtectedResource.objects.get(pk=wanted.pk).is_verified


def test_resources_are_verified_one_at_a_time(
    mo: User, wanted: ProtectedResource, client_of: ClientOf
) -> None:
    everything = [str(pk) for pk in ProtectedResource.objects.values_list("pk", flat=True)]

    chosen = {"action": "verify", "_selected_action": everything}
    page = client_of(mo).post(LIST, chosen, follow=True)

    assert "Choose one resource" in page.content.decode()
    assert not ProtectedResource.objects.get(pk=wanted.pk).is_verified


def test_staff_with_view_permission_cannot_verify(
    wanted: ProtectedResource, client_of: ClientOf
) -> None:
    looker = UserFactory.create(is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename="view_protectedresource"))
    AuthenticatorFactory.create(user=looker)
    staff, url = client_of(looker), f"{CLAIMS}{wanted.pk}/"

    answers = [
        staff.get(CLAIMS),
        staff.get(url),
        staff.post(f"{url}verify", {"reason": "x"}),
        staff.post(f"{url}refuse", {"reason": "It is not theirs"}),
    ]
    pages = [staff.get(LIST), staff.get(f"{LIST}{wanted.pk}/change/")]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert not any(
        "erify" in re.sub("verif(ied|ication)", "", page.content.decode()) for page in pages
    )
    assert not ProtectedResource.objects.get(pk=wanted.pk).is_verified


def test_staff_compare_both_sides_and_refuse_with_a_reason(
    mo: User, charlie: User, wanted: ProtectedResource, client_of: ClientOf, api_of: ApiOf
) -> None:
    staff, url = client_of(mo), f"{CLAIMS}{wanted.pk}/"
    page = staff.get(url).content.decode()

    without = staff.post(f"{url}refuse", {"reason": ""})
    answer = staff.post(f"{url}refuse", {"reason": "RIPE names another holder."})

    compared = page.partition("Both sides")[2].partition("<form")[0]
    for one in ("Globex", "Acme", "203.0.113.0/27", "203.0.113.0/26"):
        assert one in compared
    assert (without.status_code, answer.status_code) == (400, 302)
    seen = api_of(charlie).get("/api/v1/organizations/globex/resources").json()["results"][0]
    assert (seen["state"], seen["verified"]) == ("refused", False)
    assert "RIPE names another holder." in seen["because"]
    assert "Acme" not in str(seen)


@pytest.mark.django_db(transaction=True)
def test_one_of_two_overlapping_resources_verified_concurrently_needs_a_reason(
    mo: User, acme: Organization, globex: Organization
) -> None:
    both = [
        ResourceFactory.create(organization=owner, value=value, verified_at=None)
        for owner, value in ((acme, "203.0.113.0/26"), (globex, "203.0.113.0/27"))
    ]
    together = threading.Barrier(2)
    refused: list[Invalid] = []

    def verify(resource: ProtectedResource) -> None:
        together.wait()
        try:
            services.verify_resource(resource=resource, actor=mo)
        except Invalid as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=verify, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [error.errors[0].code for error in refused] == ["overlaps"]
    assert ProtectedResource.objects.filter(verified_at__isnull=False).count() == 1


def test_a_resource_in_use_is_not_deleted(
    mo: User, dana: User, acme: Organization, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    used = ResourceFactory.create(organization=acme, name="Shop", value="203.0.113.0/26")
    spare = ResourceFactory.create(organization=acme, name="Spare", value="198.51.100.0/24")
    mitigations.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    staff = client_of(mo)

    def pages(resource: ProtectedResource) -> list[str]:
        chosen: dict[str, Any] = {
            "action": "delete_selected",
            "_selected_action": [str(resource.pk)],
        }
        one, many = staff.get(f"{LIST}{resource.pk}/delete/"), staff.post(LIST, chosen)
        return [one.content.decode(), many.content.decode()]

    assert all("is live and protects part of it" in page for page in pages(used))
    assert not any("is live" in page for page in pages(spare))
    for resource in (used, spare):
        staff.post(f"{LIST}{resource.pk}/delete/", {"post": "yes"})
    assert list(ProtectedResource.objects.all()) == [used]
    assert Event.objects.get(type="resource.removed").data["name"] == "Spare"


@pytest.mark.parametrize(
    ("model", "instead"),
    [
        ("organizations/organization", "Untick Active instead"),
        ("providers/provider", "Untick Enabled on its subscriptions instead"),
    ],
)
def test_deleting_an_object_with_history_explains_instead_of_listing_rows(
    mo: User, acme_northgate: Subscription, client_of: ClientOf, model: str, instead: str
) -> None:
    row = acme_northgate.organization if "organization" in model else acme_northgate.provider

    page = client_of(mo).get(f"/admin/{model}/{row.pk}/delete/").content.decode()

    assert instead in page
    assert "This cannot be deleted" in page


def test_claims_have_the_kinds_of_resources() -> None:
    assert {claim[0] for claim in NARROW_ENOUGH} == set(ResourceKind.values)


def test_the_length_of_a_reason_is_limited(
    mo: User, wanted: ProtectedResource, client_of: ClientOf
) -> None:
    staff: Client = client_of(mo)
    url = f"{CLAIMS}{wanted.pk}/"

    page = staff.get(url).content.decode()
    answer = staff.post(f"{url}verify", typed(page, "x" * 501))

    assert answer.status_code == 400
    assert not ProtectedResource.objects.get(pk=wanted.pk).is_verified

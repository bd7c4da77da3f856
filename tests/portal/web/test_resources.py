"""The pages of resources: add, prove, rename, remove; every error is at its field."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services as mitigations
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.ownership import services
from portal.ownership.evidence import Evidence, Finding
from portal.ownership.models import ResourceProof
from portal.ownership.places import value_of
from portal.ownership.states import ProofMethod, ProofResult
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.factories import ResourceFactory
from tests.portal.ownership.conftest import added

URL = "/organizations/acme/settings/resources"


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    return client_of(dana)


@pytest.mark.parametrize(
    ("typed", "kind", "value", "places"),
    [
        ("198.51.100.0/24", "prefix", "198.51.100.0/24", ["_dots-portal.100.51.198.in-addr.arpa"]),
        ("Shop.Acme.Example.", "fqdn", "shop.acme.example",
         ["_dots-portal.shop.acme.example", "/.well-known/dots-portal.txt"]),
        ("https://shop.acme.example", "uri", "https://shop.acme.example/",
         ["_dots-portal.shop.acme.example"]),
    ],
)  # fmt: skip
def test_one_field_adds_any_kind_and_the_next_page_shows_the_proofs(
    browser: Client, typed: str, kind: str, value: str, places: list[str], acme: Organization
) -> None:
    answer = browser.post(URL, {"name": "Shop", "value": typed}, follow=True)

    resource = ProtectedResource.objects.get()
    page = answer.content.decode()
    assert (resource.kind, resource.value) == (kind, value)
    assert "Shop: not verified" in page
    assert all(place in page for place in places)
    assert value_of(services.claim_of(resource).token) in page


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"value": "203.0.113.7/24"}, "is not a network address"),
        ({"value": ""}, "value-e0"),
        ({"value": "0.0.0.0/0"}, "it is every address"),
        ({"value": "co.uk"}, "is a public suffix"),
        ({"value": "44.0.0.0/7"}, "value-e0"),
        ({"value": "127.0.0.1"}, "it is a loopback address"),
        ({"value": "198.51.100.1-198.51.100.9"}, "value-e0"),
        ({"name": ""}, "Give it a name"),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "a\0b"}, "not allowed"),
        ({"name": "Known"}, "already has a resource called Known"),
    ],
    ids=range(11),
)
def test_an_error_is_at_its_field(
    browser: Client, acme: Organization, typed: dict[str, str], message: str
) -> None:
    ResourceFactory.create(organization=acme, name="Known", value="192.0.2.0/24")

    answer = browser.post(URL, {"name": "New", "value": "198.51.100.0/24", **typed})

    page = answer.content.decode()
    assert answer.status_code == 400
    assert message in page
    assert "Error: Resources" in page
    assert ProtectedResource.objects.count() == 1


def test_both_fields_are_corrected_at_once(browser: Client, acme: Organization) -> None:
    page = browser.post(URL, {"name": "", "value": "203.0.113.7/24"}).content.decode()

    assert all(one in page for one in ("Give it a name", "is not a network address"))


def test_a_suggestion_replaces_the_typed_value(browser: Client, acme: Organization) -> None:
    page = browser.post(URL, {"name": "New", "value": "198.51.100.7/24"}).content.decode()
    fixes = re.findall(r'name="fix"\s+value="([^"]+)"', page)

    browser.post(URL, {"name": "New", "value": "198.51.100.7/24", "fix": fixes[1]})

    assert fixes == ["198.51.100.7/32", "198.51.100.0/24"]
    assert ProtectedResource.objects.get().value == "198.51.100.0/24"


def test_a_check_without_an_answer_claims_nothing(
    browser: Client, dana: User, acme: Organization
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example", "Shop")
    browser.post(f"{URL}/{resource.pk}/check", {"method": "dns"})
    during = browser.get(f"{URL}/{resource.pk}").content.decode()
    finding = Finding(
        place="x", server="the portal’s resolver", result=ProofResult.NO_ANSWER, detail="timed out"
    )
    evidence = Evidence(result=ProofResult.NO_ANSWER, findings=(finding,))
    services.save_result(ResourceProof.objects.get(), evidence, timezone.now())

    after = browser.get(f"{URL}/{resource.pk}").content.decode()

    assert "The portal is looking for the proof." in during
    assert "refresh-check" in during
    assert "No answer came. That says nothing about your record" in after
    assert "the portal’s resolver: no answer came (timed out)" in after
    assert "refresh-check" not in after


@pytest.mark.parametrize("method", ["", "mail", "http"])
def test_a_method_that_cannot_work_is_refused(
    browser: Client, shop: ProtectedResource, method: str
) -> None:
    answer = browser.post(f"{URL}/{shop.pk}/check", {"method": method}, follow=True)

    assert "is-warn note--top" in answer.content.decode()
    assert not ResourceProof.objects.exists()


def test_a_resource_in_use_says_what_needs_it(
    alice: User, dana: User, acme: Organization, shop: ProtectedResource,
    acme_northgate: Subscription, client_of: ClientOf,
) -> None:  # fmt: skip
    mitigations.submit(
        organization=acme, actor=Actor.person(dana), submission=Submission(resources=(shop.pk,))
    )
    admin, url = client_of(alice), f"{URL}/{shop.pk}/remove"

    asked, refused = admin.get(url).content.decode(), admin.post(url, follow=True).content.decode()

    assert "cannot be removed now" in asked
    assert all("needs it: terminate first." in page for page in (asked, refused))
    assert ProtectedResource.objects.filter(pk=shop.pk).exists()


def test_staff_are_asked_once(browser: Client, dana: User, acme: Organization) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example", "Shop")

    for _ in range(2):
        browser.post(f"{URL}/{resource.pk}/check", {"method": ProofMethod.STAFF.value})

    page = browser.get(URL).content.decode()
    assert "You asked portal staff to verify it." in page
    own = browser.get(f"{URL}/{resource.pk}").content.decode()
    assert "Ask portal staff" not in own
    assert browser.get("/organizations/acme/").status_code == 200


def test_another_tenant_has_none_of_these_pages(
    charlie: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    other = client_of(charlie)
    urls = [f"/organizations/globex/settings/resources/{shop.pk}{rest}"
            for rest in ("", "/check", "/rename", "/remove")]  # fmt: skip

    answers = [other.post(url, {"name": "x", "method": "dns"}) for url in urls[1:]]

    assert [one.status_code for one in (other.get(urls[0]), *answers)] == [404] * 4
    assert ProtectedResource.objects.get().name == shop.name


@pytest.mark.parametrize("path", ["", "/{}", "/{}/remove"])
def test_resources_are_a_tab_of_the_settings_and_no_second_entry(
    path: str, alice: User, client_of: ClientOf, shop: ProtectedResource
) -> None:
    page = client_of(alice).get(URL + path.format(shop.pk)).content.decode()

    links = re.findall(r'<a href="([^"]+)" aria-current="page">', page)
    assert links == [URL.removesuffix("/resources")] * 2 + [URL], "the bar, the menu More, the tab"
    bar = page[page.index('<nav class="nav"') :]
    assert URL not in bar[: bar.index("</nav>")]

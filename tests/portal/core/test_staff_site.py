from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from django.contrib.admin.models import LogEntry

from portal.accounts.models import User
from portal.core import secrets
from portal.events.log import lock_log
from portal.organizations.models import Membership, Organization, ProtectedResource, Role
from portal.providers.models import Provider, Subscription
from tests.conftest import ClientOf, HalfSignedIn
from tests.factories import PRIVATE_KEY, OrganizationFactory, ResourceFactory
from tests.portal.providers.identities import identity


@pytest.mark.parametrize(
    "page",
    [
        "",
        "organizations/organization/",
        "organizations/membership/",
        "organizations/protectedresource/",
        "organizations/protectedresource/add/",
        "providers/provider/",
        "providers/provider/add/",
        "providers/subscription/",
        "providers/subscription/add/",
        "accounts/user/",
        "accounts/user/add/",
    ],
)
def test_staff_open_every_page(mo: User, client_of: ClientOf, page: str) -> None:
    assert client_of(mo).get(f"/admin/{page}").status_code == 200


def test_times_are_in_24_hours_with_the_day_first(
    mo: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    at = datetime(2026, 11, 28, 18, 10, 5, tzinfo=UTC)
    Subscription.objects.filter(pk=acme_northgate.pk).update(session_since=at)

    path = f"/admin/providers/subscription/{acme_northgate.pk}/change/"
    page = client_of(mo).get(path).content.decode()

    assert "28 November 2026, 18:10:05" in page


def test_staff_without_a_second_factor_are_redirected_to_its_setup(
    mo: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(mo)

    answer = browser.get("/admin/")

    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/code")


def test_people_who_are_not_staff_are_refused(alice: User, client_of: ClientOf) -> None:
    assert client_of(alice).get("/admin/", follow=True).status_code == 403


def test_staff_verify_a_resource(mo: User, acme: Organization, client_of: ClientOf) -> None:
    resource = ResourceFactory.create(organization=acme, verified_at=None)
    browser = client_of(mo)
    chosen = {"action": "verify", "_selected_action": [str(resource.pk)]}
    url = browser.post("/admin/organizations/protectedresource/", chosen)["Location"]

    assert "Verify for Acme" in browser.get(url).content.decode()
    assert not ProtectedResource.objects.get().is_verified
    browser.post(f"{url}verify", {"reason": ""})

    verified = ProtectedResource.objects.get()
    assert verified.is_verified
    assert verified.verified_by == mo


def test_a_private_key_is_never_shown(
    mo: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    page = client_of(mo).get(f"/admin/providers/subscription/{acme_northgate.pk}/change/")

    assert page.status_code == 200
    assert PRIVATE_KEY not in page.content
    assert bytes(acme_northgate.private_key) not in page.content


@pytest.mark.parametrize(
    "query",
    [
        "providers/subscription/?private_key__startswith=x",
        "providers/subscription/?certificate_chain__contains=x",
        "providers/subscription/?provider__trust_anchors__regex=x",
        "providers/provider/?trust_anchors__contains=x",
        "organizations/membership/?user__password__startswith=x",
        "accounts/user/?password__startswith=x",
        "accounts/user/?email__startswith=x",
        "accounts/user/?authenticator__encrypted_key__startswith=x",
    ],
)
def test_a_list_accepts_only_the_filters_it_offers(
    mo: User, client_of: ClientOf, query: str
) -> None:
    assert client_of(mo).get(f"/admin/{query}").status_code == 400


@pytest.mark.parametrize(
    "query", ["organizations/membership/?role__exact=%00", "accounts/user/?q=%00", "?x=%00"]
)
def test_a_nul_is_refused(mo: User, client_of: ClientOf, query: str) -> None:
    assert client_of(mo).get(f"/admin/{query}").status_code == 400


@pytest.mark.parametrize("key", ["x", "\0", "²"])
def test_an_action_on_an_invalid_key_is_refused(mo: User, client_of: ClientOf, key: str) -> None:
    answer = client_of(mo).post(
        "/admin/providers/provider/", {"action": "delete_selected", "_selected_action": [key]}
    )

    assert answer.status_code == 400


def test_the_offered_filters_work(
    mo: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    browser = client_of(mo)
    organization = acme_northgate.organization_id

    for query in (
        f"providers/subscription/?organization__id__exact={organization}&session_state__exact=up",
        "organizations/protectedresource/?verified_at__isempty=1",
        f"organizations/membership/?role__exact=admin&organization__id__exact={organization}",
        "accounts/user/?is_staff__exact=1",
    ):
        answer = browser.get(f"/admin/{query}")
        assert (answer.status_code, query) == (200, query)


def test_staff_grant_and_remove_roles(
    mo: User, bob: User, globex: Organization, client_of: ClientOf
) -> None:
    browser = client_of(mo)
    browser.post(
        "/admin/organizations/membership/add/",
        {"organization": str(globex.pk), "user": str(bob.pk), "role": "operator"},
    )
    membership = Membership.objects.get(organization=globex, user=bob)
    assert membership.role == Role.OPERATOR

    browser.post(f"/admin/organizations/membership/{membership.pk}/delete/", {"post": "yes"})

    assert not Membership.objects.filter(organization=globex, user=bob).exists()


@pytest.fixture
def new_subscription(acme: Organization, northgate: Provider) -> dict[str, str]:
    own = identity()
    return {
        "organization": str(acme.pk),
        "provider": str(northgate.pk),
        "priority": "1",
        "enabled": "on",
        "new_certificate_chain": own.certificate_chain.decode(),
        "new_private_key": own.private_key.decode(),
    }


def test_staff_subscribe_an_organization_and_change_it(
    mo: User, new_subscription: dict[str, str], client_of: ClientOf
) -> None:
    browser = client_of(mo)
    browser.post("/admin/providers/subscription/add/", new_subscription)
    kept = Subscription.objects.get()
    assert (
        secrets.decrypt(kept.private_key).decode().strip()
        == new_subscription["new_private_key"].strip()
    )

    renewed = identity()
    browser.post(
        f"/admin/providers/subscription/{kept.pk}/change/",
        {
            "priority": "4",
            "new_certificate_chain": renewed.certificate_chain.decode(),
            "new_private_key": renewed.private_key.decode(),
        },
    )

    changed = Subscription.objects.get()
    assert (changed.priority, changed.enabled, changed.cuid) == (4, False, kept.cuid)
    assert changed.certificate_chain != kept.certificate_chain


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"new_certificate_chain": "x"}, b"This is no certificate."),
        ({"new_private_key": "y"}, b"This is no private key."),
        ({"new_private_key": ""}, b"together with its key"),
        (
            {"new_certificate_chain": "", "new_private_key": ""},
            b"needs a certificate and its key",
        ),
    ],
)
def test_a_subscription_needs_a_certificate_and_its_key(
    mo: User, new_subscription: dict[str, str], client_of: ClientOf,
    wrong: dict[str, str], said: bytes,
) -> None:  # fmt: skip
    answer = client_of(mo).post("/admin/providers/subscription/add/", new_subscription | wrong)

    assert answer.status_code == 200
    assert said in answer.content
    assert not Subscription.objects.exists()


def test_staff_close_an_organization(mo: User, acme: Organization, client_of: ClientOf) -> None:
    client_of(mo).post(
        f"/admin/organizations/organization/{acme.pk}/change/",
        {
            "slug": "acme",
            "name": "Acme",
            "patience_s": "10",
            "default_lifetime_s": "3600",
            "max_lifetime_s": "86400",
            "late_acceptance": "keep",
            "max_live_requests": "50",
            "approval": "never",
            "approval_prefix_v4": "24",
            "approval_prefix_v6": "48",
            "approval_wait_s": "1800",
            "max_live_requests_per_person": "5",
        },
    )

    acme.refresh_from_db()
    assert not acme.is_active
    assert (acme.max_live_requests, acme.max_live_requests_per_person) == (50, 5)


def test_staff_reset_a_lost_second_factor(mo: User, bob: User, client_of: ClientOf) -> None:
    browser = client_of(mo)
    chosen = {"action": "reset_second_factor", "_selected_action": [str(bob.pk)]}
    url = browser.post("/admin/accounts/user/", chosen)["Location"]

    asked = browser.get(url)
    without_reason = browser.post(url, {"reason": " "})

    assert "signed out at once" in asked.content.decode()
    assert without_reason.status_code == 400
    assert bob.authenticator_set.exists()

    browser.post(url, {"reason": "Called back at +1 555 0100"})

    assert not bob.authenticator_set.exists()
    assert "Called back" in LogEntry.objects.get(object_id=str(bob.pk)).change_message


def test_staff_limit_a_subscription_to_prefixes(
    mo: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    browser = client_of(mo)
    url = f"/admin/providers/subscription/{acme_northgate.pk}/change/"
    form = {"priority": "1", "enabled": "on"}

    wrong = browser.post(url, {**form, "limited_to": "203.0.113.7/24\nx"}).content.decode()
    browser.post(url, {**form, "limited_to": "203.0.113.0/25\n203.0.113.128/25"})
    shown = browser.get(url).content.decode()

    assert "203.0.113.7/24 is not a network address" in wrong
    assert "x is not an address or prefix" in wrong
    assert Subscription.objects.get().limited_to == (ip_network("203.0.113.0/24"),)
    assert "203.0.113.0/24</textarea>" in shown


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("path_kind", "gateway", "Enter the name people use for the gateway or relay."),
        ("path_name", "Edge 1", "There is no gateway or relay: leave the name empty."),
        ("longest_prefix_v4", "33", "A prefix is at most /32 long. Write 0 to 32."),
    ],
)
def test_the_limits_and_address_of_a_provider_are_checked(
    mo: User, northgate: Provider, client_of: ClientOf, field: str, value: str, words: str
) -> None:
    form = {
        "name": "Northgate Scrubbing",
        "short_name": "Northgate",
        "phone": "1",
        "host": "127.0.0.1",
        "port": "4646",
        "server_name": "northgate.example",
        "transports": ["dtls"],
        "trust_anchors": "x",
        "path_kind": "direct",
        field: value,
    }

    page = client_of(mo).post(f"/admin/providers/provider/{northgate.pk}/change/", form)

    assert words in page.content.decode()
    assert "is violated" not in page.content.decode()


@pytest.mark.parametrize("way", ["one", "several"])
def test_an_organization_with_events_cannot_be_deleted(
    mo: User, client_of: ClientOf, way: str
) -> None:
    empty, used = OrganizationFactory.create(), OrganizationFactory.create()
    lock_log(used.pk)
    staff = client_of(mo)

    def delete(organization: Organization) -> str:
        address = "/admin/organizations/organization/"
        chosen = {"action": "delete_selected", "_selected_action": [str(organization.pk)]}
        answer = (
            staff.post(f"{address}{organization.pk}/delete/", {"post": "yes"})
            if way == "one"
            else staff.post(address, {**chosen, "post": "yes"})
        )
        return answer.content.decode()

    assert "This cannot be deleted" in delete(used)
    assert "This cannot be deleted" not in delete(empty)
    assert list(Organization.objects.all()) == [used]

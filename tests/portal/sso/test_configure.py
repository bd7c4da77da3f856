"""Admins set up single sign-on, prove domains, and end it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.core import secrets
from portal.core.errors import Invalid, NotAllowed, NotFound
from portal.organizations import invitations
from portal.organizations.models import Organization, Role
from portal.ownership.evidence import Evidence
from portal.ownership.states import ProofResult
from portal.sso import services
from portal.sso.models import EmailDomain, FederatedIdentity, GroupRole, SingleSignOn
from portal.sso.services.domains import GRACE, MAX_DOMAINS, RECHECK_AFTER, save_result
from portal.wording import audit as audit_wording
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.organizations.mails import link_in, mails_to
from tests.portal.ownership.dns_world import DnsWorld, zone
from tests.portal.sso.conftest import configured, sign_in
from tests.portal.sso.identity_provider import CLIENT_SECRET, IdentityProvider
from tests.portal.sso.test_sign_in import BOB, opens

PAGE = "/organizations/acme/settings/single-sign-on"
API = "/api/v1/organizations/acme/single-sign-on"
FORM = {
    "issuer": "https://login.acme.example",
    "client_id": "portal",
    "client_secret": CLIENT_SECRET,
    "domains": "acme.example\nAcme.Example.\n",
    "groups_claim": "groups",
    "roles": "netops: operator\na: b: Admin",
}
GIVEN = {
    **FORM,
    "domains": ["acme.example"],
    "roles": [{"group": "netops", "role": "operator"}],
}


def test_an_admin_saves_all_settings_on_the_page(
    acme: Organization, alice: User, client_of: ClientOf
) -> None:
    answer = client_of(alice).post(PAGE, FORM)

    assert answer.status_code == 302
    sso = SingleSignOn.objects.get()
    assert sso.roles == (GroupRole("netops", "operator"), GroupRole("a: b", "admin"))
    assert [one.name for one in EmailDomain.objects.all()] == ["acme.example"]
    assert secrets.decrypt(sso.encrypted_secret).decode() == CLIENT_SECRET


def test_nothing_shows_the_secret_again(
    acme: Organization, alice: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    client = client_of(alice)
    client.post(PAGE, FORM)
    wrong = client.post(PAGE, FORM | {"issuer": "x"})

    assert wrong.status_code == 400
    pages = [client.get(PAGE).content, wrong.content, api_of(alice).get(API).content]
    assert not any(CLIENT_SECRET in page.decode() for page in pages)
    for entry in AuditEntry.objects.all():
        assert CLIENT_SECRET not in f"{entry.before} {entry.after} {audit_wording.details(entry)}"


def test_the_secret_stays_unless_a_new_one_is_given_or_the_issuer_changes(
    acme: Organization, alice: User, client_of: ClientOf
) -> None:
    client = client_of(alice)
    client.post(PAGE, FORM)

    kept = client.post(PAGE, FORM | {"client_secret": "", "client_id": "new"})
    moved = client.post(PAGE, FORM | {"client_secret": "", "issuer": "https://login.evil.example"})

    assert (kept.status_code, moved.status_code) == (302, 400)
    sso = SingleSignOn.objects.get()
    assert (sso.issuer, sso.client_id) == (FORM["issuer"], "new")
    assert secrets.decrypt(sso.encrypted_secret).decode() == CLIENT_SECRET


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "login.acme.example"}, "issuer"),
        ({"issuer": "http://login.acme.example"}, "issuer"),
        ({"issuer": "https://a@login.acme.example"}, "issuer"),
        ({"issuer": "https://login.acme.example?x=1"}, "issuer"),
        ({"issuer": "https://login.acme.example/#x"}, "issuer"),
        ({"issuer": f"https://{'x' * 260}.example"}, "issuer"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_secret": "x" * 191}, "client_secret"),
        ({"domains": ["com"]}, "domains.0"),
        ({"domains": ["a.example", "192.0.2.1"]}, "domains.1"),
        ({"domains": ["x"] * (MAX_DOMAINS + 1)}, "domains"),
        ({"groups_claim": ""}, "groups_claim"),
        ({"roles": [GroupRole("a", "owner")]}, "roles.0"),
        ({"roles": [GroupRole("", "viewer")]}, "roles.0"),
        ({"roles": [GroupRole("a", "viewer"), GroupRole("a", "admin")]}, "roles"),
        ({"roles": [GroupRole(str(n), "viewer") for n in range(51)]}, "roles"),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_saved(
    acme: Organization, alice: User, changed: dict[str, Any], field: str
) -> None:
    setup = services.Setup(
        **{
            **FORM,
            "domains": ["acme.example"],
            "roles": [GroupRole("netops", "operator")],
            **changed,
        }
    )

    with pytest.raises(Invalid) as error:
        services.configure(organization=acme, setup=setup, actor=Actor.person(alice))

    assert field in [one.field for one in error.value.errors]
    assert not SingleSignOn.objects.exists()
    assert not EmailDomain.objects.exists()


def test_only_admins_change_it(acme: Organization, dana: User, charlie: User) -> None:
    setup = services.Setup(
        issuer="https://login.acme.example", client_id="portal", client_secret=CLIENT_SECRET
    )
    for person, refusal in ((dana, NotAllowed), (charlie, NotFound)):
        with pytest.raises(refusal):
            services.configure(organization=acme, setup=setup, actor=Actor.person(person))
        with pytest.raises(refusal):
            services.remove(organization=acme, actor=Actor.person(person))


def test_a_program_does_the_same(acme: Organization, alice: User, api_of: ApiOf) -> None:
    api = api_of(alice)
    assert api.get(API).status_code == 404

    shown = api.put(API, GIVEN)

    assert shown.status_code == 200, shown.content
    body = shown.json()
    assert body["redirect_uri"].endswith(f"/sign-in/organization/{acme.pk}/answer")
    assert body["domains"][0]["place"] == "_dots-portal.acme.example"
    assert body["roles"] == [{"group": "netops", "role": "operator"}]
    assert api.get(API).json() == body
    assert api.delete(API).status_code == 204
    assert api.delete(API).status_code == 404


@pytest.mark.parametrize("act", ["change", "remove", "domain", "token"])
def test_every_change_of_single_sign_on_ends_its_sessions_at_once(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    bob: User,
    act: str,
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)
    assert opens(client)

    match act:
        case "remove":
            services.remove(organization=acme, actor=Actor.person(alice))
        case "domain":
            configured(acme, alice, provider, domains=[])
        case "change":
            configured(acme, alice, provider, domains=["acme.example"])
        case "token":
            FederatedIdentity.objects.all().delete()

    assert not opens(client)


def test_a_session_by_single_sign_on_has_its_own_end(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)

    lasts = client.session.get_expiry_date() - timezone.now()

    assert timedelta(hours=7, minutes=59) < lasts <= timedelta(hours=8)


# Required


def test_members_cannot_use_passwords_where_it_is_required_and_admins_can(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    bob: User,
    client_of: ClientOf,
    api_of: ApiOf,
) -> None:
    before, token = client_of(bob), api_of(bob)

    configured(acme, alice, provider, domains=["acme.example"], is_required=True)

    assert not opens(before)
    assert token.get("/api/v1/me").status_code == 401
    page = Client().post("/sign-in", {"username": "bob", "password": PASSWORD})
    assert page.status_code == 403
    assert "single sign-on" in page.content.decode()
    sign_in_call = {
        "username": "bob",
        "password": PASSWORD,
        "otp": app_code(),
        "device_name": "x",
    }
    call = Client().post("/api/v1/auth/token", sign_in_call, content_type="application/json")
    assert (call.status_code, call.json()["code"]) == (403, "single-sign-on-required")
    assert not ApiToken.objects.filter(user=bob).exists()
    wrong = Client().post("/sign-in", {"username": "bob", "password": "wrong"})
    assert "single sign-on" not in wrong.content.decode()
    admin = Client().post("/sign-in", {"username": "alice", "password": PASSWORD})
    assert admin.status_code == 302


def test_an_invited_person_uses_single_sign_on_where_it_is_required(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
) -> None:
    invitations.invite(
        organization=acme,
        actor=Actor.person(alice),
        email="eve@acme.example",
        role=Role.VIEWER,
        origin="https://portal.example",
    )
    configured(acme, alice, provider, domains=["acme.example"], is_required=True)
    [mail] = mails_to("eve@acme.example")
    client = Client()

    answer = client.post(f"/invitations/{link_in(mail)}", {"username": "eve", "password": PASSWORD})

    assert answer["Location"] == "/sign-in/organization"
    assert client.get("/enrol").status_code == 302
    assert "_auth_user_id" not in client.session


def test_an_admin_without_a_password_cannot_require_single_sign_on(
    acme: Organization, alice: User, provider: IdentityProvider
) -> None:
    alice.set_unusable_password()
    alice.save()

    with pytest.raises(Invalid) as error:
        configured(acme, alice, provider, is_required=True)

    assert error.value.errors[0].code == "no-way-back"


# Domains


def test_a_record_at_every_name_server_proves_a_domain(
    acme: Organization, alice: User, provider: IdentityProvider
) -> None:
    configured(acme, alice, provider, domains=["acme.example", "other.example"])
    record = EmailDomain.objects.get(name="acme.example").record
    zones = {
        "acme.example": zone(f'_dots-portal 60 IN TXT "{record}"'),
        "other.example": zone(f'_dots-portal 60 IN TXT "{record}"'),
    }

    with DnsWorld(zones, {"127.0.0.11": {}}) as world:
        assert services.make_due_checks(world.network, timezone.now()) == 2
        assert services.make_due_checks(world.network, timezone.now()) == 0

    assert proved() == ["acme acme.example"]
    assert EmailDomain.objects.get(name="other.example").result == "wrong"


def proved() -> list[str]:
    own = EmailDomain.objects.filter(proved_at__isnull=False)
    return [f"{one.organization.slug} {one.name}" for one in own]


def result_of(domain: EmailDomain, result: str) -> None:
    save_result(domain, Evidence(result=ProofResult(result)), timezone.now())


def test_a_domain_that_one_organization_proved_is_not_another_ones(
    acme: Organization,
    globex: Organization,
    alice: User,
    charlie: User,
    provider: IdentityProvider,
) -> None:
    configured(acme, alice, provider, domains=["acme.example"])
    configured(globex, charlie, provider, domains=["acme.example"])
    first, second = EmailDomain.objects.order_by("organization__slug")

    result_of(first, "found")
    result_of(second, "found")

    assert proved() == ["acme acme.example"]
    second.refresh_from_db()
    assert second.is_taken


def test_a_record_that_is_gone_for_weeks_ends_the_proof_and_the_sessions(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)
    domain = EmailDomain.objects.get()
    EmailDomain.objects.update(checked_at=timezone.now() - RECHECK_AFTER)
    assert services.begin_rechecks(timezone.now()) == 1
    assert services.begin_rechecks(timezone.now()) == 0

    result_of(domain, "no_answer")
    result_of(domain, "missing")
    assert proved()
    assert opens(client)
    EmailDomain.objects.update(missing_since=timezone.now() - GRACE)
    result_of(domain, "missing")

    assert not proved()
    assert not opens(client)


def test_a_check_is_asked_once_and_only_for_ones_own_domain(
    sso: SingleSignOn, acme: Organization, globex: Organization, charlie: User, alice: User
) -> None:
    domain = EmailDomain.objects.get()

    first = services.ask_check(
        organization=acme, domain_id=domain.pk, actor=Actor.person(alice)
    ).asked_at
    again = services.ask_check(
        organization=acme, domain_id=domain.pk, actor=Actor.person(alice)
    ).asked_at

    assert first is not None
    assert again == first
    with pytest.raises(NotFound):
        services.ask_check(organization=globex, domain_id=domain.pk, actor=Actor.person(charlie))


def test_pages_of_single_sign_on_are_for_admins(
    sso: SingleSignOn, bob: User, charlie: User, client_of: ClientOf
) -> None:
    assert client_of(bob).get(PAGE).status_code == 403
    assert client_of(charlie).get(PAGE).status_code == 404
    assert Client().get(PAGE).status_code == 302

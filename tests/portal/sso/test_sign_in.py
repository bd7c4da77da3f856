"""A person signs in by the identity provider of the organization."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from portal.accounts.models import Authenticator, User
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.services import remove_member, set_role
from portal.sso.models import FederatedFactor, FederatedIdentity, GroupRole, SingleSignOn
from portal.sso.refusals import Refused
from portal.sso.wording import sentence
from tests.factories import app_code
from tests.portal.organizations.mails import mails_to
from tests.portal.sso.conftest import begin, come_back, configured, sign_in
from tests.portal.sso.identity_provider import Claims, IdentityProvider

NOW = "/organizations/acme/"
BOB = {"sub": "b-1", "email": "Bob@acme.example", "email_verified": True, "amr": ["pwd", "otp"]}


@pytest.fixture(autouse=True)
def _addresses(bob: User, dana: User) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@acme.example")
    User.objects.filter(pk=dana.pk).update(email="dana@acme.example")


def refused(answer: object, why: Refused) -> None:
    assert answer.status_code == 403  # type: ignore[attr-defined]
    assert sentence(why) in answer.content.decode()  # type: ignore[attr-defined]


def opens(client: Client) -> bool:
    return bool(client.get(NOW).status_code == 200)


def test_a_member_is_found_by_the_address_once_and_by_the_subject_from_then_on(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User
) -> None:
    provider.person = BOB
    first = Client()

    answer = sign_in(first, provider, acme, following=NOW)

    assert answer["Location"] == NOW
    assert opens(first)
    identity = FederatedIdentity.objects.get()
    assert (identity.user, identity.issuer, identity.subject) == (bob, provider.issuer, "b-1")
    provider.person = {"sub": "b-1", "amr": ["mfa"]}
    assert opens_with(provider, acme)


def test_a_browser_is_known_after_the_first_sign_in(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User
) -> None:
    provider.person = BOB
    browser = Client()
    for _ in range(2):
        sign_in(browser, provider, acme)
        browser.post("/sign-out")

    subjects = [mail.splitlines()[0] for mail in mails_to("bob@acme.example")]
    assert [one for one in subjects if one.startswith("New sign-in: ")] == subjects
    assert len(subjects) == 1


def opens_with(provider: IdentityProvider, organization: Organization) -> bool:
    client = Client()
    sign_in(client, provider, organization)
    return opens(client)


def test_the_request_has_pkce_state_and_nonce(
    sso: SingleSignOn, provider: IdentityProvider
) -> None:
    query = parse_qs(urlsplit(begin(Client())).query)

    assert query["code_challenge_method"] == ["S256"]
    assert query["response_type"] == ["code"]
    assert all(len(query[name][0]) >= 16 for name in ("state", "nonce", "code_challenge"))
    assert {"openid", "email"} <= set(query["scope"][0].split())


@pytest.mark.parametrize("typed", ["bob@acme.example", "BOB@ACME.example.", "acme"])
def test_the_domain_or_the_name_selects_the_identity_provider(
    sso: SingleSignOn, provider: IdentityProvider, typed: str
) -> None:
    assert begin(Client(), typed).startswith(f"{provider.issuer}/authorize?")


@pytest.mark.parametrize(
    "typed", ["bob@globex.example", "globex", "unknown", "@", "\0", "a@b@", ""]
)
def test_everything_else_gets_the_same_answer(
    sso: SingleSignOn, globex: Organization, typed: str
) -> None:
    answer = Client().post("/sign-in/organization", {"typed": typed})

    refused(answer, Refused.NOT_SET_UP)


def test_an_address_of_a_domain_that_is_not_proved_selects_nothing(
    sso: SingleSignOn, acme: Organization
) -> None:
    acme.email_domains.update(proved_at=None)

    refused(Client().post("/sign-in/organization", {"typed": "b@acme.example"}), Refused.NOT_SET_UP)


def test_without_a_second_factor_there_the_portal_asks_for_its_own(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = BOB | {"amr": ["pwd", "sms"]}
    client = Client()

    answer = sign_in(client, provider, acme, following=NOW)

    assert answer["Location"].startswith("/sign-in/code?")
    assert not opens(client)
    client.post("/sign-in/code", {"code": app_code(), "next": NOW})
    assert opens(client)
    # Bound to the identity provider all the same.
    FederatedFactor.objects.all().delete()
    assert not opens(client)


def test_a_declared_second_factor_counts(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User
) -> None:
    configured(acme, alice, provider, domains=["acme.example"], has_second_factor=True)
    provider.person = BOB | {"amr": []}

    assert opens_with(provider, acme)
    declared = AuditEntry.objects.filter(verb=Verb.SSO_CHANGED).latest("at")
    assert (declared.after or {})["has_second_factor"] is True


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"email": None}, Refused.NO_EMAIL),
        ({"email": "bob"}, Refused.NO_EMAIL),
        ({"email": ["bob@acme.example"]}, Refused.NO_EMAIL),
        ({"email_verified": False}, Refused.EMAIL_UNVERIFIED),
        ({"email_verified": "true"}, Refused.EMAIL_UNVERIFIED),
        ({"email_verified": None}, Refused.EMAIL_UNVERIFIED),
        ({"email": "bob@sub.acme.example"}, Refused.DOMAIN_UNPROVED),
        ({"email": "charlie@globex.example"}, Refused.DOMAIN_UNPROVED),
        ({"email": "eve@acme.example"}, Refused.UNKNOWN_PERSON),
    ],
)
def test_an_address_that_proves_nothing_opens_nothing(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    changed: Claims,
    why: Refused,
) -> None:
    provider.person = BOB | changed
    client = Client()

    refused(sign_in(client, provider, acme), why)

    assert not opens(client)
    assert not FederatedIdentity.objects.exists()
    assert AuditEntry.objects.filter(verb=Verb.SIGN_IN_REFUSED).exists()


def test_userinfo_may_name_the_address(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = {"sub": "b-1", "amr": ["mfa"]}
    provider.userinfo = {"sub": "b-1", "email": "bob@acme.example", "email_verified": True}

    assert opens_with(provider, acme)


def test_userinfo_of_another_subject_is_refused(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = {"sub": "b-1", "amr": ["mfa"]}
    provider.userinfo = {"sub": "x", "email": "bob@acme.example", "email_verified": True}

    refused(sign_in(Client(), provider, acme), Refused.BAD_TOKEN)


def test_userinfo_does_not_verify_the_address_of_the_token(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = {"sub": "b-1", "email": "bob@acme.example", "amr": ["mfa"]}
    provider.userinfo = {"sub": "b-1", "email": "eve@evil.example", "email_verified": True}

    refused(sign_in(Client(), provider, acme), Refused.EMAIL_UNVERIFIED)


def test_another_subject_does_not_take_over_a_linked_member(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    provider.person = BOB
    sign_in(Client(), provider, acme)
    provider.person = BOB | {"sub": "b-2"}

    refused(sign_in(Client(), provider, acme), Refused.OTHER_SUBJECT)


def test_two_members_with_one_address_are_both_refused(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    User.objects.filter(username="dana").update(email="bob@acme.example")
    provider.person = BOB

    refused(sign_in(Client(), provider, acme), Refused.AMBIGUOUS)


def test_an_identity_provider_does_not_open_a_second_organization(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    globex: Organization,
    bob: User,
) -> None:
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)
    assert opens(client)

    set_role(organization=globex, user=bob, role=Role.VIEWER)

    assert not opens(client)
    refused(sign_in(Client(), provider, acme), Refused.ELSEWHERE)


def test_an_identity_provider_does_not_open_the_staff_site(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User
) -> None:
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)

    bob.refresh_from_db()
    bob.is_staff = True
    bob.save()

    assert not opens(client)
    refused(sign_in(Client(), provider, acme), Refused.ELSEWHERE)


def test_the_subject_of_another_tenant_opens_nothing_here(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    globex: Organization,
    charlie: User,
) -> None:
    """Both use the same identity provider."""
    configured(globex, charlie, provider)
    provider.person = BOB
    sign_in(Client(), provider, acme)
    client = Client()

    refused(
        come_back(client, globex, provider.authorize(begin(client, "globex"))),
        Refused.DOMAIN_UNPROVED,
    )
    # An answer for Acme does not end a sign-in at Globex.
    other = Client()
    refused(come_back(other, globex, provider.authorize(begin(other))), Refused.STALE)


def test_a_removed_or_deactivated_member_stays_out(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User, bob: User
) -> None:
    configured(acme, alice, provider, domains=["acme.example"], adds_members=True)
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)
    assert opens(client)

    User.objects.filter(pk=bob.pk).update(is_active=False)
    refused(sign_in(Client(), provider, acme), Refused.INACTIVE)
    User.objects.filter(pk=bob.pk).update(is_active=True)
    remove_member(organization=acme, user=bob)

    assert not opens(client)
    refused(sign_in(Client(), provider, acme), Refused.REMOVED)


def test_a_person_is_added_only_if_the_admin_switched_it_on_and_as_a_viewer(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User
) -> None:
    provider.person = BOB | {"sub": "e-1", "email": "eve@acme.example", "groups": ["netops"]}
    refused(sign_in(Client(), provider, acme), Refused.UNKNOWN_PERSON)
    configured(acme, alice, provider, domains=["acme.example"], adds_members=True)
    client = Client()

    sign_in(client, provider, acme)

    assert opens(client)
    membership = Membership.objects.get(user__email="eve@acme.example")
    assert membership.role == Role.VIEWER
    assert not membership.user.has_usable_password()


def test_a_person_with_an_account_elsewhere_is_not_added_twice(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User, charlie: User
) -> None:
    configured(acme, alice, provider, domains=["acme.example"], adds_members=True)
    User.objects.filter(pk=charlie.pk).update(email="charlie@acme.example")
    provider.person = BOB | {"sub": "c-1", "email": "charlie@acme.example"}

    refused(sign_in(Client(), provider, acme), Refused.UNKNOWN_PERSON)


def test_groups_give_a_role_and_take_it_away(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User, bob: User
) -> None:
    roles = [GroupRole("netops", "operator"), GroupRole("soc", "approver")]
    configured(acme, alice, provider, domains=["acme.example"], groups_claim="groups", roles=roles)
    for groups, role in [
        (["staff"], Role.VIEWER),
        (["netops", "soc"], Role.APPROVER),
        ("netops", Role.OPERATOR),
        ([], Role.VIEWER),
    ]:
        provider.person = BOB | {"groups": groups}
        assert opens_with(provider, acme)
        assert Membership.objects.get(user=bob).role == role


def test_a_role_without_a_group_stays_as_an_admin_gave_it(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User, dana: User
) -> None:
    roles = [GroupRole("netops", "viewer")]
    configured(acme, alice, provider, domains=["acme.example"], groups_claim="groups", roles=roles)
    provider.person = BOB | {"sub": "d-1", "email": "dana@acme.example", "groups": ["soc"]}

    assert opens_with(provider, acme)
    assert Membership.objects.get(user=dana).role == Role.OPERATOR


def test_groups_never_touch_the_last_admin(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@acme.example")
    configured(
        acme,
        alice,
        provider,
        domains=["acme.example"],
        groups_claim="groups",
        roles=[GroupRole("staff", "viewer")],
    )
    provider.person = BOB | {"sub": "a-1", "email": "alice@acme.example", "groups": ["staff"]}

    assert opens_with(provider, acme)
    assert Membership.objects.get(user=alice).role == Role.ADMIN


def test_a_member_by_single_sign_on_needs_no_factor_here(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, bob: User
) -> None:
    Authenticator.objects.filter(user=bob).delete()
    provider.person = BOB
    client = Client()
    sign_in(client, provider, acme)

    page = client.get("/organizations/acme/settings/members").content.decode()

    assert "Has no second factor yet" not in page


@pytest.mark.django_db(transaction=True)
def test_a_membership_can_be_saved_outside_of_a_transaction(acme: Organization, bob: User) -> None:
    Membership.objects.filter(user=bob).delete()

    Membership.objects.create(organization=acme, user=bob, role=Role.VIEWER)

    assert Membership.objects.get(user=bob).role == Role.VIEWER

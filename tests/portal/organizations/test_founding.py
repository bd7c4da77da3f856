"""The portal's staff add organizations and invite their admins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import Authenticator, User
from portal.core.errors import Invalid
from portal.organizations import founding, invitations
from portal.organizations.models import Invitation, Organization, Role
from tests.conftest import ClientOf
from tests.factories import PASSWORD, UserFactory
from tests.portal.organizations.mails import link_in, mails_to

EMAIL = "eve@example.com"
ORIGIN = "https://portal.example"


@pytest.fixture
def found(mo: User) -> Callable[..., Any]:
    def found(**changed: str) -> Any:
        given = {"name": "Initech", "admin_email": EMAIL, "preset": "standard", **changed}
        return founding.found(actor=Actor.person(mo), origin=ORIGIN, **given)

    return found


def test_staff_add_an_organization_whose_first_admin_gets_a_mail(
    mo: User, client_of: ClientOf
) -> None:
    browser = client_of(mo)
    form = {"name": "Müller & Söhne", "admin_email": EMAIL, "preset": "careful"}

    answer = browser.post("/portal/organizations/new", form)

    assert answer["Location"] == "/portal/organizations/muller-sohne/"
    organization = Organization.objects.get(slug="muller-sohne")
    assert (organization.max_lifetime_s, organization.may_be_indefinite) == (4 * 3600, False)
    [mail] = mails_to(EMAIL)
    assert "The portal's operator invites you to Müller & Söhne" in mail
    assert "mo" not in mail.split(), "staff are not named"
    invitations.accept_as_new(
        token=link_in(mail), username="eve", password=PASSWORD, address="192.0.2.1"
    )
    assert organization.memberships.get().role == "admin"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "acme"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"admin_email": "x"}, "admin_email"),
        ({"preset": "none"}, "preset"),
    ],
)
def test_a_wrong_organization_is_not_added(
    acme: Organization, found: Callable[..., Any], changed: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        found(**changed)

    assert [one.field for one in caught.value.errors] == [field]
    assert Organization.objects.count() == 1


def test_names_that_look_alike_in_addresses_get_numbers(found: Callable[..., Any]) -> None:
    names = ["Initech", "Initech!", "initech?", "株式会社"]

    slugs = [found(name=name)[0].slug for name in names]

    assert slugs == ["initech", "initech-2", "initech-3", "organization"]


@pytest.mark.parametrize("preset", founding.PRESETS)
def test_every_preset_is_valid(found: Callable[..., Any], preset: str) -> None:
    organization, _ = found(preset=preset)

    organization.full_clean()


def test_staff_need_the_permission_to_add_organizations(client_of: ClientOf, acme: Any) -> None:
    helper = UserFactory.create(username="helper", is_staff=True)
    Authenticator.objects.create(user=helper, name="App", encrypted_key=b"", confirmed=True)
    browser = client_of(helper)

    paths = ["/portal/organizations/", "/portal/organizations/new", "/portal/organizations/acme/"]

    assert [browser.get(path).status_code for path in paths] == [403, 403, 403]


def test_staff_send_again_and_revoke_only_what_staff_sent(
    mo: User, alice: User, acme: Organization, client_of: ClientOf
) -> None:
    invitations.invite(
        organization=acme, actor=Actor.person(alice), email="member@example.com",
        role=Role.OPERATOR, origin=ORIGIN,
    )  # fmt: skip
    browser, page = client_of(mo), "/portal/organizations/acme/"
    browser.post(page, {"email": EMAIL})
    browser.post(page, {"email": EMAIL})
    own, others = (
        Invitation.objects.get(email=email).pk for email in (EMAIL, "member@example.com")
    )

    assert len(mails_to(EMAIL)) == 2
    html = browser.get(page).content.decode()
    assert EMAIL in html
    assert "member@example.com" not in html
    assert browser.post(f"{page}invitations/{others}/revoke").status_code == 404
    assert browser.post(f"{page}invitations/{own}/revoke").status_code == 302
    assert Invitation.objects.get(pk=own).revoked_at is not None

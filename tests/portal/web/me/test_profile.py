"""The tab "Profile" of the page "Me", and what others see of it."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.accounts import services
from portal.accounts.models import MAX_DISPLAY_NAME_LENGTH, User
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.errors import Invalid
from tests.conftest import ClientOf

PROFILE = "/me/profile"


def text_of(browser: Client, url: str) -> str:
    return " ".join(browser.get(url).content.decode().split())


def test_me_opens_the_profile_for_members_and_staff(
    alice: User, mo: User, client_of: ClientOf
) -> None:
    for person in (alice, mo):
        answer = client_of(person).get("/me", follow=True)

        assert answer.redirect_chain == [(PROFILE, 302)]
        assert f"Signed in as {person.username}" in answer.content.decode()


def test_every_page_leads_to_me(alice: User, mo: User, client_of: ClientOf) -> None:
    assert f'href="{PROFILE}"' in text_of(client_of(alice), "/organizations/acme/")
    assert f'href="{PROFILE}"' in text_of(client_of(mo), "/portal/organizations/")


def test_a_name_is_saved_and_shown_to_colleagues_only(
    alice: User, bob: User, charlie: User, client_of: ClientOf
) -> None:
    answer = client_of(alice).post(PROFILE, {"display_name": "  Alice   Novák "}, follow=True)

    assert "Your profile is saved." in answer.content.decode()
    alice.refresh_from_db()
    assert alice.display_name == "Alice Novák"
    assert "alice – Alice Novák" in text_of(client_of(bob), "/organizations/acme/settings/members")
    others = text_of(client_of(charlie), "/organizations/globex/settings/members")
    assert "Novák" not in others


def test_a_change_is_audited_and_a_repetition_is_not(alice: User) -> None:
    services.change_profile(user=alice, display_name="Alice")
    services.change_profile(user=alice, display_name="Alice")

    [entry] = AuditEntry.objects.filter(verb=Verb.PROFILE_CHANGED)
    assert (entry.before, entry.after) == ({"display_name": ""}, {"display_name": "Alice"})
    assert entry.actor_name == "alice"


@pytest.mark.parametrize(
    ("typed", "code"),
    [("x" * (MAX_DISPLAY_NAME_LENGTH + 1), "too-long"), ("a\0b", "odd-characters")],
)
def test_a_wrong_name_is_refused_at_its_field(
    alice: User, client_of: ClientOf, typed: str, code: str
) -> None:
    with pytest.raises(Invalid) as raised:
        services.change_profile(user=alice, display_name=typed)
    assert [(one.field, one.code) for one in raised.value.errors] == [("display_name", code)]

    answer = client_of(alice).post(PROFILE, {"display_name": typed})
    assert answer.status_code == 400
    assert 'aria-describedby="display_name-e' in answer.content.decode()
    alice.refresh_from_db()
    assert alice.display_name == ""

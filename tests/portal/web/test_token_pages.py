"""Me › Tokens and Settings › Tokens."""

from __future__ import annotations

from typing import Final

import pytest
from django.test import Client

from portal.accounts import services as accounts
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.organizations.models import Organization, ServiceToken
from tests.conftest import ClientOf
from tests.factories import app_code, service_token

MINE: Final = "/me/tokens"
OURS: Final = "/organizations/acme/settings/tokens"
FORMS: Final = {MINE: {"right": "read"}, OURS: {"right": "viewer"}}
FILLED: Final = {"name": "dashboard", "days": "30", "networks": "10.0.0.0/8\n127.0.0.1"}


def words_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", [MINE, OURS])
def test_the_answer_to_the_form_shows_the_token_this_once(
    alice: User, acme: Organization, client_of: ClientOf, url: str
) -> None:
    browser = client_of(alice)

    made = browser.post(url, FILLED | FORMS[url])

    assert made.status_code == 200
    prefix = "dmp_" if url == MINE else "dms_"
    [shown] = [word for word in words_of(made).replace("<", " ").replace(">", " ").split()
               if word.startswith(prefix) and len(word) == 42]  # fmt: skip
    assert (
        Client(headers={"Authorization": f"Bearer {shown}"})
        .get("/api/v1/organizations/acme/mitigation-requests")
        .status_code
        == 200
    )
    later = words_of(browser.get(url))
    assert shown not in later
    assert "Only from 10.0.0.0/8, 127.0.0.1/32." in later
    assert "Last used" in later


@pytest.mark.parametrize("url", [MINE, OURS])
def test_a_form_with_an_old_factor_asks_for_a_code_and_then_makes_the_token(
    alice: User, acme: Organization, client_of: ClientOf, url: str
) -> None:
    browser = client_of(alice)
    session = browser.session
    session["factor_at"] = 1.0
    session.save()

    asked = browser.post(url, FILLED | FORMS[url])
    assert asked.status_code == 403
    assert not ApiToken.objects.exists()
    assert not ServiceToken.objects.exists()
    made = browser.post(url, FILLED | FORMS[url] | {"step_up_code": app_code()})

    assert "Copy it now" in words_of(made)


@pytest.mark.parametrize("url", [MINE, OURS])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "Give it a name"),
        ({"days": "soon"}, "A token ends after 1 to 365 days."),
        ({"days": "9999"}, "A token ends after 1 to 365 days."),
        ({"networks": "10.0.0.0/8, here"}, "“here” is no network."),
        ({"right": "all"}, "Choose one of the"),
        ({"right": "approver"}, "ole"),
    ],
)
def test_a_wrong_field_has_its_error_and_keeps_what_was_typed(
    alice: User, acme: Organization, client_of: ClientOf,
    url: str, wrong: dict[str, str], message: str,
) -> None:  # fmt: skip
    if url == MINE and wrong == {"right": "approver"}:
        message = "Choose one of the scopes."
    refused = client_of(alice).post(url, FILLED | FORMS[url] | wrong)

    assert refused.status_code == 400
    assert message in words_of(refused)
    assert "10.0.0.0/8" in words_of(refused)
    assert not ApiToken.objects.exists()
    assert not ServiceToken.objects.exists()


def test_one_revokes_ones_own_token_only(alice: User, charlie: User, client_of: ClientOf) -> None:
    token, _ = accounts.make_token(
        user=alice, name="dashboard", scope=Scope.READ, days=1, networks=[]
    )
    url = f"{MINE}/{token.device_id}/revoke"

    assert client_of(charlie).post(url).status_code == 404
    assert "dashboard" not in words_of(client_of(charlie).get(MINE))
    assert "“dashboard” is revoked" in words_of(client_of(alice).post(url, follow=True))
    assert not ApiToken.objects.exists()


def test_an_admin_revokes_a_service_token(
    alice: User, dana: User, charlie: User, acme: Organization, client_of: ClientOf
) -> None:
    token, _ = service_token(acme)
    url = f"{OURS}/{token.pk}/revoke"
    foreign = f"/organizations/globex/settings/tokens/{token.pk}/revoke"

    assert client_of(charlie).post(url).status_code == 404
    assert client_of(charlie).post(foreign).status_code == 404
    assert client_of(dana).post(url).status_code == 403
    assert "The token is revoked" in words_of(client_of(alice).post(url, follow=True))
    assert not ServiceToken.objects.exists()


def test_only_admins_see_the_tab(alice: User, dana: User, client_of: ClientOf) -> None:
    start = "/organizations/acme/settings"

    assert OURS in words_of(client_of(alice).get(start))
    assert OURS not in words_of(client_of(dana).get(start))

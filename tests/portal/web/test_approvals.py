"""The pages and calls of approvals."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf
from tests.portal.wording.facts import plain

ACME = "/organizations/acme"
API = f"/api/v1{ACME}"


@pytest.fixture
def waiting(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> MitigationRequest:
    """By alice, an admin."""
    Organization.objects.filter(pk=acme.pk).update(approval="all")
    acme.refresh_from_db()
    return services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.0/27",), reason="UDP flood"),
    )


def text(browser: Client, path: str) -> str:
    return plain(browser.get(f"{ACME}{path}").content.decode())


def of(request: MitigationRequest, part: str = "") -> str:
    return f"{ACME}/requests/{request.pk}{part}"


def seen(browser: Client, request: MitigationRequest) -> str:
    return str(browser.get(of(request, "/approval")).context["preview"])


def test_every_page_says_first_that_nothing_has_been_sent(
    waiting: MitigationRequest, paul: User, client_of: ClientOf
) -> None:
    browser = client_of(paul)

    for path in ("/", f"/requests/{waiting.pk}", f"/requests/{waiting.pk}/approval"):
        page = text(browser, path)
        assert "Nothing has been sent. Waiting for approval." in page, path
        assert f"/requests/{waiting.pk}/approval" in page, path
    listed = text(browser, "/approvals")
    assert "1 request waits for approval." in listed
    assert "UDP flood" in listed
    assert "Northgate, at once:" in listed


def test_the_approver_gets_one_button_and_the_asker_a_sentence(
    waiting: MitigationRequest, alice: User, dana: User, paul: User, client_of: ClientOf
) -> None:
    pages = {
        one.username: text(client_of(one), f"/requests/{waiting.pk}/approval")
        for one in (alice, dana, paul)
    }

    assert {name for name, page in pages.items() if "/approve" in page} == {"paul"}
    assert "Another person must approve what you requested." in pages["alice"]
    assert "Only an approver or an admin decides." in pages["dana"]
    assert all("Send without approval" in page for page in pages.values())
    assert all("Cancel request" in page for page in pages.values())


def test_an_approval_shows_the_request_and_stays_on_it(
    waiting: MitigationRequest, paul: User, client_of: ClientOf
) -> None:
    browser = client_of(paul)

    answer = browser.post(of(waiting, "/approve"), {"preview": seen(browser, waiting)})

    assert answer["Location"] == f"{of(waiting)}#h"
    assert Mitigation.objects.filter(request=waiting).count() == 1
    assert "paul approved it" in text(browser, f"/requests/{waiting.pk}")
    assert "Nothing waits for approval." in text(browser, "/approvals")


def test_an_old_factor_sends_nothing_and_asks_for_a_code(
    waiting: MitigationRequest, paul: User, client_of: ClientOf
) -> None:
    browser = client_of(paul)
    session = browser.session
    session["factor_at"] = 0
    session.save()

    for act in ("approve", "decline", "break-glass"):
        answer = browser.post(of(waiting, f"/{act}"), {"reason": "nobody answers"})
        assert answer.status_code == 403, act
        assert "step_up_code" in answer.content.decode(), act
    assert not Mitigation.objects.exists()


def test_a_changed_preview_is_shown_beside_the_first_one_and_then_approved(
    waiting: MitigationRequest, paul: User, acme_northgate: Subscription, client_of: ClientOf
) -> None:
    browser = client_of(paul)
    before = seen(browser, waiting)
    Subscription.objects.filter(pk=acme_northgate.pk).update(enabled=False)

    answer = browser.post(of(waiting, "/approve"), {"preview": before})

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "What changed since it was requested" in page
    assert "Approve the changed messages" in " ".join(page.split())
    assert not Mitigation.objects.exists()
    browser.post(of(waiting, "/approve"), {"preview": answer.context["preview"]})
    assert Mitigation.objects.filter(request=waiting).count() == 1


def test_a_request_that_breaks_a_limit_by_now_has_no_button(
    waiting: MitigationRequest, paul: User, acme: Organization, client_of: ClientOf
) -> None:
    Organization.objects.filter(pk=acme.pk).update(shortest_prefix_v4=32)

    page = text(client_of(paul), f"/requests/{waiting.pk}/approval")

    assert "It cannot be sent any more: 203.0.113.0/27 is too large" in page
    assert "/approve" not in page
    assert "Send without approval" not in page


@pytest.mark.parametrize(
    ("act", "reason", "words"),
    [
        ("decline", "", "Write a reason."),
        ("break-glass", "too short", "Write a reason of at least 10 characters."),
    ],
)
def test_a_missing_reason_is_named_at_its_field_and_what_was_typed_stays(
    waiting: MitigationRequest, paul: User, client_of: ClientOf, act: str, reason: str, words: str
) -> None:
    answer = client_of(paul).post(of(waiting, f"/{act}"), {"reason": reason})

    assert answer.status_code == 400
    assert (answer.context["open_form"], answer.context["error"]) == (act, words)
    assert answer.context["reason"] == reason


def test_break_glass_stays_on_the_page_and_in_the_reports(
    waiting: MitigationRequest, dana: User, client_of: ClientOf
) -> None:
    browser = client_of(dana)
    reason = "Nobody answers the phone."

    browser.post(of(waiting, "/break-glass"), {"reason": reason, "preview": seen(browser, waiting)})

    assert Mitigation.objects.filter(request=waiting).count() == 1
    for part in ("", "/report", "/report.txt"):
        page = text(browser, f"/requests/{waiting.pk}{part}")
        assert "Sent without approval by dana" in page, part
        assert reason in page, part
    assert "dana sent the request without approval." in text(browser, f"/requests/{waiting.pk}")


def test_a_declined_request_says_who_and_why(
    waiting: MitigationRequest, paul: User, client_of: ClientOf
) -> None:
    browser = client_of(paul)

    browser.post(of(waiting, "/decline"), {"reason": "A drill is on."})

    page = text(browser, f"/requests/{waiting.pk}")
    assert "paul declined this: A drill is on. Nothing was sent." in page


def test_the_entry_in_the_navigation_is_there_only_where_the_policy_asks(
    waiting: MitigationRequest, acme: Organization, dana: User, bob: User, client_of: ClientOf
) -> None:
    link = 'href="/organizations/acme/approvals"'
    assert link in text(client_of(dana), "/requests")
    assert link not in text(client_of(bob), "/requests")

    Organization.objects.filter(pk=acme.pk).update(approval="never")

    assert link not in text(client_of(dana), "/requests")


# The API


def test_the_api_lists_what_waits_oldest_first(
    waiting: MitigationRequest, acme: Organization, dana: User, api_of: ApiOf
) -> None:
    newer = services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.40/32",)),
    )

    results = api_of(dana).get(f"{API}/approvals").json()["results"]

    assert [one["id"] for one in results] == [str(waiting.pk), str(newer.pk)]
    approval = results[0]["approval"]
    assert (approval["cause"], approval["outcome"]) == ("all", "waiting")
    assert "203.0.113.0/27" in approval["lines"]
    assert results[0]["mitigations"] == []


def test_the_api_answers_a_changed_preview_with_both_and_its_new_digest(
    waiting: MitigationRequest, paul: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    api, url = api_of(paul), f"{API}/mitigation-requests/{waiting.pk}/approve"
    Subscription.objects.filter(pk=acme_northgate.pk).update(enabled=False)

    changed = api.post(url, {}, format="json")
    sent = api.post(url, {"preview": changed.json()["preview"]}, format="json")

    assert (changed.status_code, changed.json()["code"]) == (409, "preview-changed")
    assert "Northgate, at once:" in changed.json()["before"]
    assert "Northgate, at once:" not in changed.json()["after"]
    assert sent.status_code == 202
    assert sent.json()["status"] == "requesting"
    assert sent.json()["approval"]["decided_by"] == "paul"


@pytest.mark.parametrize(
    ("act", "body"),
    [("approve", {}), ("decline", {"reason": "no"}), ("break-glass", {"reason": "nobody is in"})],
)
def test_the_api_wants_a_fresh_factor(
    waiting: MitigationRequest, paul: User, api_of: ApiOf, act: str, body: dict[str, Any]
) -> None:
    api = api_of(paul)
    ApiToken.objects.update(factor_at=None)

    answer = api.post(f"{API}/mitigation-requests/{waiting.pk}/{act}", body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "fresh-factor-required")
    assert not Mitigation.objects.exists()


def test_the_api_names_the_reason_that_is_too_short(
    waiting: MitigationRequest, paul: User, api_of: ApiOf
) -> None:
    answer = api_of(paul).post(
        f"{API}/mitigation-requests/{waiting.pk}/break-glass", {"reason": "now"}, format="json"
    )

    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == ["reason"]

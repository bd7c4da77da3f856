"""Settings › Notices."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client
from django.utils import timezone

from portal.accounts.models import User
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.services.deliver import record_delivery
from portal.notifications.kinds import NoticeKind
from portal.notifications.message import Outcome, ReceiverAnswer
from portal.organizations.models import Organization
from tests.conftest import ClientOf
from tests.portal.notifications.channels.conftest import MESSAGE, AddWebhook, add_webhook, receiver
from tests.portal.notifications.channels.http_receiver import HttpReceiver
from tests.portal.web.conftest import words_of

__all__ = ["add_webhook", "receiver"]

LIST = "/organizations/acme/settings/notices"
URL = "https://example.com/hook"
TYPED = {
    "kind": "webhook",
    "name": "Night shift",
    "value_url": URL,
    "min_severity": "info",
    "notice_kinds": [one.value for one in NoticeKind],
}


def add(browser: Client, **fields: Any) -> Any:
    return browser.post(f"{LIST}/new", {**TYPED, **fields})


def page_of(channel: NoticeChannel, name: str = "") -> str:
    return f"{LIST}/{channel.pk}{name}"


def test_the_secret_is_on_the_answer_to_the_form_and_nowhere_else(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    added = add(browser)

    found = re.search(r"whsec_[\w+/=]+", added.content.decode())
    assert found
    channel = NoticeChannel.objects.get()
    assert channel.notice_kinds == ()
    for page in (page_of(channel), LIST, page_of(channel, "/deliveries")):
        assert found[0] not in browser.get(page).content.decode()


def test_a_wrong_address_is_shown_at_its_field_with_what_was_typed(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    shown = add(client_of(alice), value_url="https://10.0.0.1/")

    assert shown.status_code == 400
    assert "10.0.0.1 is not a public address." in words_of(shown)
    assert 'value="https://10.0.0.1/"' in shown.content.decode()
    assert not NoticeChannel.objects.exists()


def test_a_kind_that_does_not_exist_shows_the_choice(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)

    for answer in (browser.get(f"{LIST}/new?kind=fax"), add(browser, kind="fax")):
        assert answer.status_code == 400
        assert "Choose what receives the notices." in words_of(answer)


def test_no_kind_of_notice_is_refused(alice: User, acme: Organization, client_of: ClientOf) -> None:
    shown = add(client_of(alice), notice_kinds=[])

    assert shown.status_code == 400
    assert "Choose at least one kind of notice." in words_of(shown)


def test_settings_are_changed(alice: User, acme: Organization, client_of: ClientOf) -> None:
    browser = client_of(alice)
    add(browser)
    channel = NoticeChannel.objects.get()
    changed = {**TYPED, "min_severity": "critical", "notice_kinds": ["request.refused"]}

    shown = browser.post(page_of(channel), changed, follow=True)

    assert "Saved. The settings apply from the next notice." in words_of(shown)
    channel.refresh_from_db()
    assert channel.min_severity == "critical"
    assert channel.notice_kinds == ("request.refused",)
    refused = browser.post(page_of(channel), {**changed, "value_url": "x"})
    assert refused.status_code == 400
    assert "Nothing was saved." in words_of(refused)


def test_a_test_shows_the_receivers_answer(
    alice: User, client_of: ClientOf, add_webhook: AddWebhook, receiver: HttpReceiver
) -> None:
    channel = add_webhook(receiver.url)
    receiver.status, receiver.body = 403, b"who are you?"
    browser = client_of(alice)

    shown = words_of(browser.post(page_of(channel, "/test"), follow=True))

    assert "Refused. The receiver refused it." in shown
    assert "HTTP 403 who are you?" in shown
    assert "Night shift: Fails" in shown
    assert receiver.only.json["data"]["url"] == f"http://testserver{page_of(channel)}"
    receiver.status, receiver.body = 200, b"hello"
    shown = words_of(browser.post(page_of(channel, "/test"), follow=True))
    assert "Delivered. The receiver took it." in shown
    assert "Night shift: Delivers" in shown


def test_an_answer_is_shown_as_text(
    alice: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    channel = add_webhook(URL)
    answer = ReceiverAnswer(Outcome.REFUSED, "<script>alert(1)</script>")
    record_delivery(channel, MESSAGE, answer, now=timezone.now())
    browser = client_of(alice)

    for page in (page_of(channel), LIST, page_of(channel, "/deliveries")):
        shown = browser.get(page).content.decode()
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown


def test_a_channel_is_switched_off_and_on(
    alice: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    channel, browser = add_webhook(URL), client_of(alice)

    off = words_of(browser.post(page_of(channel, "/switch"), {"on": "no"}, follow=True))
    on = words_of(browser.post(page_of(channel, "/switch"), {"on": "yes"}, follow=True))

    assert "Night shift: Switched off" in off
    assert "Night shift: Not tried yet" in on


def test_a_receiver_that_is_gone_is_shown_with_its_reason(
    alice: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    channel = add_webhook(URL)
    answer = ReceiverAnswer(Outcome.GONE, "HTTP 410 moved out")
    record_delivery(channel, MESSAGE, answer, now=timezone.now())

    shown = words_of(client_of(alice).get(LIST))

    assert "Switched off by the portal" in shown
    assert "Its receiver wants no more notices: HTTP 410 moved out" in shown


def test_a_new_secret_and_the_end_of_the_former_one(
    alice: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    channel, browser = add_webhook(URL), client_of(alice)

    rotated = browser.post(page_of(channel, "/rotate"))
    assert re.search(r"whsec_[\w+/=]+", rotated.content.decode())
    assert "The former secret still works until" in words_of(rotated)
    ended = words_of(browser.post(page_of(channel, "/end-previous-secret"), follow=True))
    assert "The former secret has ended." in ended


def test_a_channel_is_removed_after_a_question(
    alice: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    channel, browser = add_webhook(URL), client_of(alice)

    asked = words_of(browser.get(page_of(channel, "/remove")))
    done = words_of(browser.post(page_of(channel, "/remove"), follow=True))

    assert "Remove Night shift?" in asked
    assert "Night shift is removed, with its deliveries." in done
    assert "No channel yet." in done


def test_a_channel_of_another_organization_does_not_exist(
    charlie: User, client_of: ClientOf, add_webhook: AddWebhook
) -> None:
    channel, browser = add_webhook(URL), client_of(charlie)
    own = page_of(channel).replace("acme", "globex")

    assert browser.get(own).status_code == 404
    assert browser.post(f"{own}/test").status_code == 404
    assert browser.post(f"{own}/remove").status_code == 404

"""Another email address: confirmed by the new one, told to the present one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import LinkPurpose, MailedLink, User
from portal.accounts.services import change_email
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.throttle import Limit
from tests.conftest import ClientOf
from tests.factories import UserFactory
from tests.portal.organizations.mails import mails_to

URL = "/me/email"
NEW = "alice@new.example"


def link_in(mail: str) -> str:
    [path] = re.findall(r"http\S+?(/me/email/[\w-]+)", mail)
    return str(path)


def asked(browser: Client, email: str = "Alice@New.example") -> str:
    assert browser.post(URL, {"email": email}).status_code == 302
    return link_in(mails_to(NEW)[-1])


def test_the_new_address_counts_once_its_link_was_opened(mailed: User, client_of: ClientOf) -> None:
    browser = client_of(mailed)

    path = asked(browser)

    assert User.objects.get(pk=mailed.pk).email == "alice@example.com"
    assert NEW in browser.get(path).content.decode()
    assert User.objects.get(pk=mailed.pk).email == "alice@example.com"
    assert browser.post(path)["Location"] == "/me/profile"
    assert User.objects.get(pk=mailed.pk).email == NEW
    assert [mail.partition("\n")[0] for mail in mails_to("alice@example.com")] == [
        "Someone wants to change your email address",
        "Your email address was changed",
    ]
    [entry] = AuditEntry.objects.filter(verb=Verb.EMAIL_CHANGED)
    assert (entry.before, entry.after) == ({"email": "alice@example.com"}, {"email": NEW})
    assert browser.post(path).status_code == 410


def test_a_person_without_an_address_gets_one(alice: User, client_of: ClientOf) -> None:
    browser = client_of(alice)

    browser.post(asked(browser))

    assert User.objects.get(pk=alice.pk).email == NEW


def test_the_link_is_for_its_person_alone(
    mailed: User, bob: User, charlie: User, client_of: ClientOf
) -> None:
    path = asked(client_of(mailed))

    for person in (bob, charlie):
        for method in ("get", "post"):
            answer = getattr(client_of(person), method)(path)
            assert (answer.status_code, NEW in answer.content.decode()) == (410, False)
    assert Client().get(path)["Location"].startswith("/sign-in?")
    assert not User.objects.filter(email=NEW).exists()


def test_the_link_ends_after_an_hour(mailed: User, client_of: ClientOf) -> None:
    browser = client_of(mailed)
    path = asked(browser)
    left = MailedLink.objects.get().expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)

    MailedLink.objects.update(expires_at=timezone.now())

    assert browser.post(path).status_code == 410
    assert User.objects.get(pk=mailed.pk).email == "alice@example.com"


def test_an_address_of_another_account_is_refused_to_who_reads_its_mail(
    mailed: User, client_of: ClientOf
) -> None:
    browser = client_of(mailed)
    path = asked(browser)
    UserFactory.create(username="other", email=NEW.upper())

    answer = browser.post(path)

    assert answer.status_code == 409
    assert "Another account uses this address." in answer.content.decode()
    assert User.objects.get(pk=mailed.pk).email == "alice@example.com"


def test_a_changed_address_ends_a_link_to_a_new_password(mailed: User, client_of: ClientOf) -> None:
    browser = client_of(mailed)
    path = asked(browser)
    browser.post("/forgot-password", {"typed": "alice"})
    services.mail_links()
    assert MailedLink.objects.filter(purpose=LinkPurpose.PASSWORD).exists()

    browser.post(path)

    assert not MailedLink.objects.exists()


@pytest.mark.parametrize("email", ["", "no address", "alice@example.com", "a@" + "b" * 250 + ".c"])
def test_a_wrong_address_is_refused_at_its_field(
    mailed: User, client_of: ClientOf, email: str
) -> None:
    answer = client_of(mailed).post(URL, {"email": email})

    assert (answer.status_code, 'id="email-e"' in answer.content.decode()) == (400, True)
    assert not MailedLink.objects.exists()


def test_a_change_needs_a_fresh_factor_and_is_limited(
    mailed: User,
    client_of: ClientOf,
    stale_client_of: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert stale_client_of(mailed).post(URL, {"email": NEW}).status_code == 403
    assert not MailedLink.objects.exists()
    few = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr(change_email, "MAILS", few)
    browser = client_of(mailed)
    asked(browser)

    assert browser.post(URL, {"email": "other@new.example"}).status_code == 429

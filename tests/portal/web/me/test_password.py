"""Changing one's password, and choosing a new one that was forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import ApiToken, ForgottenPassword, MailedLink, User
from portal.accounts.services import forgotten_passwords
from portal.accounts.services.mailed_links import LinkEnded
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.errors import Throttled, Unavailable
from portal.core.throttle import Limit
from portal.mail.models import OutgoingMail
from tests.conftest import ApiOf, ClientOf, HalfSignedIn
from tests.factories import PASSWORD, UserFactory, app_code
from tests.portal.organizations.mails import mails_to

NEW = "another staple altogether"
URL = "/me/password"
ORIGIN = "https://portal.example"
ADDRESS = "192.0.2.1"


def typed(current: str = PASSWORD, new: str = NEW) -> dict[str, str]:
    return {"current_password": current, "new_password": new}


def test_a_new_password_ends_all_other_access_and_is_mailed(
    mailed: User, client_of: ClientOf, api_of: ApiOf, half_signed_in: HalfSignedIn
) -> None:
    here, elsewhere, program = client_of(mailed), client_of(mailed), api_of(mailed)

    answer = here.post(URL, typed(), follow=True)

    assert "Your password is changed." in answer.content.decode()
    assert here.get(URL).status_code == 200
    assert elsewhere.get(URL)["Location"].startswith("/sign-in?")
    assert program.get("/api/v1/me").status_code == 401
    assert not ApiToken.objects.exists()
    assert User.objects.get(pk=mailed.pk).check_password(NEW)
    assert [mail.partition("\n")[0] for mail in mails_to(mailed.email)] == [
        "New sign-in: test",
        "Your password was changed",
    ]
    [entry] = AuditEntry.objects.filter(verb=Verb.PASSWORD_CHANGED)
    assert entry.actor_name == "alice"
    assert NEW not in str([entry.before, entry.after])


def test_a_portal_without_a_mail_server_still_changes_passwords(
    mailed: User, client_of: ClientOf, settings: object
) -> None:
    settings.EMAIL_HOST = settings.EMAIL_FILE_PATH = ""  # type: ignore[attr-defined]

    assert client_of(mailed).post(URL, typed()).status_code == 302

    assert User.objects.get(pk=mailed.pk).check_password(NEW)
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (typed(current="wrong"), "current_password"),
        (typed(new="short"), "new_password"),
        (typed(new="x" * 1025), "new_password"),
        (typed(new="password1234"), "new_password"),
        (typed(new=PASSWORD), "new_password"),
        ({}, "current_password"),
    ],
)
def test_a_refused_password_is_named_at_its_field_and_never_shown(
    alice: User, client_of: ClientOf, form: dict[str, str], field: str
) -> None:
    before = User.objects.get(pk=alice.pk).password

    answer = client_of(alice).post(URL, form)

    page = answer.content.decode()
    assert answer.status_code == 400
    assert f'id="{field}-e"' in page
    assert not any(value in page for value in form.values() if len(value) > 5)
    assert User.objects.get(pk=alice.pk).password == before


def test_wrong_passwords_are_limited_as_at_the_sign_in(
    alice: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr("portal.accounts.services.sign_in_limits.TRIES_PER_USER", limit)
    here = client_of(alice)
    assert here.post(URL, typed(current="wrong")).status_code == 400

    answer = here.post(URL, typed())

    assert (answer.status_code, answer["Retry-After"] != "") == (429, True)
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


def test_an_old_factor_is_asked_for_first_and_no_password_is_repeated(
    alice: User, stale_client_of: Callable[[User], Client]
) -> None:
    here = stale_client_of(alice)

    answer = here.post(URL, typed())

    page = answer.content.decode()
    assert "Confirm with a code" in page
    assert PASSWORD not in page
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)
    opened = here.post("/confirm", {"next": URL, "step_up_code": app_code()})
    assert opened["Location"] == URL
    assert here.post(URL, typed()).status_code == 302


def test_a_wrong_code_opens_nothing(alice: User, stale_client_of: Callable[[User], Client]) -> None:
    here = stale_client_of(alice)

    answer = here.post("/confirm", {"next": URL, "step_up_code": "000000"})

    assert answer.status_code == 403
    assert 'name="next" value="/me/password"' in answer.content.decode()
    assert "Confirm with a code" in here.get(URL).content.decode()


# Forgotten


def forget(person: str, browser: Client | None = None) -> tuple[int, str]:
    answer = (browser or Client()).post("/forgot-password", {"typed": person})
    page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
    return answer.status_code, page


def word_in(mail: str) -> str:
    [word] = re.findall(r"/new-password/([\w-]+)", mail)
    return str(word)


def mailed_word(person: User) -> str:
    forget(person.username)
    services.mail_links()
    return word_in(mails_to(person.email)[-1])


def test_a_link_lets_a_person_choose_a_password_and_opens_nothing(
    mailed: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    elsewhere, program, browser = client_of(mailed), api_of(mailed), Client()
    url = f"/new-password/{mailed_word(mailed)}"
    assert "alice" in browser.get(url).content.decode()

    answer = browser.post(url, {"new_password": NEW})

    assert answer["Location"] == "/sign-in?changed=1"
    assert "Your password is changed." in browser.get(answer["Location"]).content.decode()
    assert browser.get("/organizations/acme/")["Location"].startswith("/sign-in?")
    assert elsewhere.get(URL)["Location"].startswith("/sign-in?")
    assert program.get("/api/v1/me").status_code == 401
    browser.post("/sign-in", {"username": "alice", "password": NEW})
    assert browser.get("/organizations/acme/")["Location"] == "/sign-in/code"
    assert browser.post(url, {"new_password": f"{NEW} 2"}).status_code == 410
    subjects = [mail.partition("\n")[0] for mail in mails_to(mailed.email)]
    assert subjects == ["New sign-in: test", "Choose a new password", "Your password was changed"]


def test_every_name_gets_the_same_answer_after_the_same_work(mailed: User) -> None:
    UserFactory.create(username="left", email="left@example.com", is_active=False)
    people = ("alice", "ALICE@example.com", "nobody", "left", "nobody@example.com", "a\u202eb")
    answers, queries = set(), set()
    for person in people:
        with CaptureQueriesContext(connection) as captured:
            answers.add(forget(person))
        queries.add(len(captured))

    assert len(answers) == len(queries) == 1
    assert ForgottenPassword.objects.count() == len(people)
    assert services.mail_links() == 2
    assert not ForgottenPassword.objects.exists()
    assert {mail.to for mail in OutgoingMail.objects.all()} == {"alice@example.com"}


def test_only_people_with_an_address_and_a_password_get_a_link(db: None) -> None:
    UserFactory.create(username="unmailed")
    single = UserFactory.create(username="single", email="single@example.com")
    single.set_unusable_password()
    User.objects.filter(pk=single.pk).update(password=single.password)
    for person in ("unmailed", "single"):
        forget(person)

    assert services.mail_links() == 0
    assert not MailedLink.objects.exists()


def test_a_link_ends_after_half_an_hour_by_a_newer_one_and_by_a_new_password(
    mailed: User, client_of: ClientOf
) -> None:
    first = mailed_word(mailed)
    second = mailed_word(mailed)
    with pytest.raises(LinkEnded):
        services.choose_password(token=first, new=NEW, address=ADDRESS)
    left = MailedLink.objects.get().expires_at - timezone.now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    MailedLink.objects.update(expires_at=timezone.now())
    with pytest.raises(LinkEnded):
        services.choose_password(token=second, new=NEW, address=ADDRESS)
    services.prune(now=timezone.now())
    assert not MailedLink.objects.exists()

    third = mailed_word(mailed)
    client_of(mailed).post(URL, typed())
    with pytest.raises(LinkEnded):
        services.choose_password(token=third, new=f"{NEW} 2", address=ADDRESS)


def test_a_weak_password_keeps_the_link(mailed: User) -> None:
    url = f"/new-password/{mailed_word(mailed)}"

    answer = Client().post(url, {"new_password": "short"})

    assert (answer.status_code, 'id="new_password-e"' in answer.content.decode()) == (400, True)
    assert Client().post(url, {"new_password": NEW}).status_code == 302


@pytest.mark.parametrize("limit", ["PER_NETWORK", "PER_NAME"])
def test_asking_is_limited_per_network_and_per_name(
    mailed: User, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    few = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr(forgotten_passwords, limit, few)
    assert forget("alice")[0] == 200

    assert forget("Alice ")[0] == 429


def test_name_and_address_of_one_person_share_a_limit(
    mailed: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr(forgotten_passwords, "PER_PERSON", few)
    forget("alice")
    forget(mailed.email)

    assert services.mail_links() == 1


def test_the_number_of_waiting_rows_is_limited(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgotten_passwords, "MAX_WAITING", 1)
    services.ask_for_password(typed="a", address=ADDRESS, origin=ORIGIN)

    with pytest.raises(Unavailable):
        services.ask_for_password(typed="b", address=ADDRESS, origin=ORIGIN)
    assert ForgottenPassword.objects.count() == 1


def test_guessing_links_is_limited(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr("portal.accounts.services.mailed_links.TRIES", few)
    assert Client().get("/new-password/guess").status_code == 410

    assert Client().get("/new-password/guess").status_code == 429
    with pytest.raises(Throttled):
        services.choose_password(token="guess", new=NEW, address="127.0.0.1")


def test_an_empty_form_is_refused(db: None) -> None:
    assert forget("  ")[0] == 400
    assert not ForgottenPassword.objects.exists()

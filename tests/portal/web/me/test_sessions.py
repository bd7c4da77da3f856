"""The tab "Sessions": where a person is signed in, and ending that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts import services, tasks
from portal.accounts.models import ApiToken, BrowserSession, User
from portal.accounts.scopes import Scope
from portal.accounts.services.browsers import MAX_BROWSERS_PER_USER
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.organizations import acting
from portal.organizations.models import Organization, StaffActing
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.web.conftest import text_of

URL = "/me/sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) Version/26.1 Safari/604.1"


def signed_in(
    username: str, user_agent: str, *, address: str = "192.0.2.1", step: int = 0
) -> Client:
    """`step`: of the code. Each code works once, and later ones end the earlier ones."""
    browser = Client(headers={"User-Agent": user_agent}, REMOTE_ADDR=address)
    browser.post("/sign-in", {"username": username, "password": PASSWORD})
    browser.post("/sign-in/code", {"code": app_code(steps=step)})
    return browser


def page_of(browser: Client) -> str:
    return text_of(browser.get(URL).content.decode())


def end_path(user: User, **which: object) -> str:
    return f"{URL}/{BrowserSession.objects.get(user=user, **which).pk}/end"


def test_a_person_sees_each_browser_and_app_with_this_one_first(
    alice: User, charlie: User, api_of: ApiOf, client_of: ClientOf
) -> None:
    client_of(charlie)
    phone = signed_in("alice", IPHONE, address="198.51.100.7", step=-1)
    api_of(alice).get("/api/v1/me")
    here = signed_in("alice", FIREFOX)
    services.make_token(user=alice, name="script", scope=Scope.READ, days=1, networks=[])

    page = page_of(here)

    assert "3 sessions." in page
    assert page.index("Firefox on Linux Browser This session") < page.index("Safari on an iPhone")
    assert "from 198.51.100.7" in page
    assert "test App Signed in" in page
    assert "script" not in page
    page = page_of(phone)
    assert page.index("Safari on an iPhone Browser This session") < page.index("Firefox on Linux")


def test_a_request_within_the_same_minute_writes_nothing(alice: User) -> None:
    here = signed_in("alice", FIREFOX)

    with CaptureQueriesContext(connection) as captured:
        here.get(URL)

    assert [one["sql"] for one in captured if not one["sql"].startswith("SELECT")] == []


def test_a_later_request_notes_the_time_and_the_address(alice: User) -> None:
    here = signed_in("alice", FIREFOX)
    earlier = timezone.now() - timedelta(minutes=5)
    BrowserSession.objects.update(last_seen_at=earlier)

    here.get("/api/v1/me", REMOTE_ADDR="203.0.113.9")

    row = BrowserSession.objects.get()
    assert timezone.now() - row.last_seen_at < timedelta(minutes=1)
    assert (row.address, row.signed_in_at > earlier) == ("203.0.113.9", True)


def test_a_session_of_an_earlier_release_is_listed_from_its_next_request_on(
    alice: User, client_of: ClientOf
) -> None:
    earlier = client_of(alice)
    BrowserSession.objects.all().delete()

    assert "1 session." in page_of(earlier)
    assert BrowserSession.objects.get().user == alice


def test_an_ended_session_is_signed_out_at_once_and_the_audit_says_so(alice: User) -> None:
    phone = signed_in("alice", IPHONE, step=-1)
    here = signed_in("alice", FIREFOX)

    answer = here.post(end_path(alice, user_agent=IPHONE), follow=True)

    assert "Signed out: Safari on an iPhone." in text_of(answer.content.decode())
    assert phone.get(URL)["Location"].startswith("/sign-in")
    assert phone.get("/api/v1/me").status_code == 401
    assert here.get(URL).status_code == 200
    [entry] = AuditEntry.objects.filter(verb=Verb.SESSION_ENDED)
    assert (entry.actor_name, entry.object_kind, entry.object_name) == (
        "alice",
        "session",
        "Safari on an iPhone",
    )


def test_all_other_sessions_end_together_and_tokens_for_programs_stay(
    alice: User, bob: User, api_of: ApiOf, client_of: ClientOf
) -> None:
    phone, app, of_bob = signed_in("alice", IPHONE, step=-1), api_of(alice), client_of(bob)
    services.make_token(user=alice, name="script", scope=Scope.READ, days=1, networks=[])
    here = signed_in("alice", FIREFOX)

    answer = here.post(f"{URL}/end-others", follow=True)

    assert "2 other sessions ended." in text_of(answer.content.decode())
    assert "1 session." in page_of(here)
    assert phone.get("/api/v1/me").status_code == 401
    assert app.get("/api/v1/me").status_code == 401
    assert of_bob.get("/api/v1/me").status_code == 200
    assert ApiToken.objects.get().device_name == "script"
    again = here.post(f"{URL}/end-others", follow=True)
    assert "You are signed in only here." in text_of(again.content.decode())


@pytest.mark.parametrize("path", ["end", "end-others"])
def test_ending_sessions_needs_a_fresh_factor(
    alice: User, stale_client_of: Callable[[User], Client], path: str
) -> None:
    phone, here = signed_in("alice", IPHONE, step=-1), stale_client_of(alice)
    one = end_path(alice, user_agent=IPHONE)

    answer = here.post(one if path == "end" else f"{URL}/end-others")

    assert answer.status_code == 403
    assert "step_up_code" in answer.content.decode()
    assert phone.get("/api/v1/me").status_code == 200


def test_this_session_and_those_of_others_cannot_be_ended_here(alice: User, charlie: User) -> None:
    signed_in("charlie", IPHONE)
    here = signed_in("alice", FIREFOX)

    own = here.post(end_path(alice))
    foreign = here.post(end_path(charlie))
    unknown = here.post(f"{URL}/{uuid4()}/end")

    assert (own.status_code, foreign.status_code, unknown.status_code) == (409, 404, 404)
    assert BrowserSession.objects.count() == 2


def test_a_sign_in_beyond_the_limit_ends_the_session_that_was_used_least_recently(
    alice: User, client_of: ClientOf
) -> None:
    browsers = [client_of(alice) for _ in range(MAX_BROWSERS_PER_USER)]
    BrowserSession.objects.filter(session_id=browsers[3].session.session_key).update(
        last_seen_at=timezone.now() - timedelta(minutes=5)
    )

    signed_in("alice", FIREFOX)

    assert BrowserSession.objects.filter(user=alice).count() == MAX_BROWSERS_PER_USER
    assert browsers[3].get("/api/v1/me").status_code == 401
    assert browsers[0].get("/api/v1/me").status_code == 200
    [entry] = AuditEntry.objects.filter(verb=Verb.SESSION_ENDED)
    assert (entry.after or {})["why"] == "too-many"


def test_a_new_password_leaves_only_this_session_in_the_list(alice: User) -> None:
    signed_in("alice", IPHONE, step=-1)
    here = signed_in("alice", FIREFOX)
    before = BrowserSession.objects.get(user_agent=FIREFOX)

    here.post(
        "/me/password", {"current_password": PASSWORD, "new_password": "another staple altogether"}
    )

    assert "1 session." in page_of(here)
    after = BrowserSession.objects.get()
    assert (after.pk, after.signed_in_at) == (before.pk, before.signed_in_at)


def test_signing_out_removes_the_session_from_the_list(alice: User) -> None:
    signed_in("alice", FIREFOX).post("/sign-out")

    assert not BrowserSession.objects.exists()


def test_ending_a_session_of_staff_ends_what_they_do_through_it(
    mo: User, acme: Organization, client_of: ClientOf
) -> None:
    there, here = client_of(mo), client_of(mo)
    there.post("/portal/organizations/acme/act", {"reason": "Their admin called about a form"})
    here.get(URL)
    assert acting.may_act(mo, there.session) is not None

    here.post(f"{URL}/end-others")

    assert StaffActing.objects.get().ended_because == "signed_out"


def test_rows_without_a_session_are_deleted_in_the_background(alice: User) -> None:
    row = {
        "user": alice,
        "user_agent": "",
        "address": "",
        "signed_in_at": timezone.now(),
        "last_seen_at": timezone.now(),
    }
    session = Session.objects.create(
        session_key="kept", expire_date=timezone.now() + timedelta(hours=1)
    )
    BrowserSession.objects.create(session=session, **row)
    BrowserSession.objects.create(session_id="deleted", **row)

    tasks.prune()

    assert BrowserSession.objects.get().session_id == "kept"

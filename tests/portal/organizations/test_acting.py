"""The portal's staff act for an organization: with a reason, for a while, never silently."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound
from portal.events.acts import record_acts
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations import acting
from portal.organizations.access import membership_for, require_current_role
from portal.organizations.models import (
    Organization,
    ProtectedResource,
    Role,
    StaffActing,
)
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf
from tests.factories import UserFactory
from tests.portal.organizations.mails import mails_to

REASON: Final = "Their admin called: the request form fails"
PORTAL: Final = "/portal/organizations/acme/"
HOME: Final = "/organizations/acme/"
API: Final = "/api/v1/organizations/acme"
SUBMISSION: Final = Submission(prefixes=("203.0.113.7/32",))


@pytest.fixture(autouse=True)
def _prepared(shop: ProtectedResource, acme_northgate: Subscription, alice: User) -> None:
    """Acme can request mitigation, and its admin has an address."""
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")


@pytest.fixture
def browser(mo: User, client_of: ClientOf) -> Client:
    """Mo acts for Acme in it."""
    browser = client_of(mo)
    begun = browser.post(f"{PORTAL}act", {"reason": REASON})
    assert (begun.status_code, begun["Location"]) == (302, HOME)
    return browser


def _actor(mo: User) -> Actor:
    """Mo, as a call has it that began while the right held."""
    user = User.objects.get(pk=mo.pk)
    row = StaffActing.objects.get(ended_at=None)
    user.may_act = acting.may_act_all([(user, row.credential)])[row.credential]
    membership_for(user, "acme")
    return Actor.person(user)


def test_without_acting_staff_read_nothing_of_an_organization(
    mo: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    assert client_of(mo).get(HOME).status_code == 404
    assert api_of(mo).get(f"{API}/mitigation-requests").status_code == 404


def test_every_page_names_the_organization_that_staff_act_for(
    browser: Client, globex: Organization
) -> None:
    pages = [HOME, f"{HOME}requests", "/portal/organizations/", PORTAL, f"{HOME}no-such-page"]
    for page in [*pages, f"{HOME}audit"]:
        answer = browser.get(page).content.decode()
        assert "You act for" in answer, page
        assert "Every step is logged." in answer, page
        assert "/portal/stop" in answer, page
    assert browser.get("/")["Location"] == HOME
    assert browser.get("/organizations/globex/").status_code == 404


def test_only_the_session_that_began_acts(
    mo: User, browser: Client, client_of: ClientOf, api_of: ApiOf
) -> None:
    assert browser.get(HOME).status_code == 200
    assert client_of(mo).get(HOME).status_code == 404
    assert api_of(mo).get(f"{API}/resources").status_code == 404


def test_everything_names_staff_the_organization_and_the_reason(
    acme: Organization, mo: User, alice: User, browser: Client, client_of: ClientOf, api_of: ApiOf
) -> None:
    name = "staff mo acting for Acme"
    sent = browser.post(
        f"{HOME}requests/new", {"other": "203.0.113.7/32", "targets": "203.0.113.7/32"}
    )
    assert sent.status_code == 302, sent.content.decode()
    request = MitigationRequest.objects.get()
    record_acts()

    event = Event.objects.get(type=EventType.REQUEST_SUBMITTED)
    assert event.data["actor"] == name
    assert event.data["actor_kind"] == "staff"
    assert event.data["acting_reason"] == REASON
    entry = AuditEntry.objects.get(verb=EventType.REQUEST_SUBMITTED)
    assert (entry.actor_name, entry.actor_kind, entry.is_by_staff) == (name, "staff", True)
    assert (entry.reason, entry.actor_id) == (REASON, str(mo.pk))
    shown = api_of(alice).get(f"{API}/mitigation-requests/{request.pk}").json()
    assert (shown["created_by"], shown["origin"]) == (name, "staff")
    admin = client_of(alice)
    page = admin.get(f"{HOME}requests/{request.pk}").content.decode()
    assert name in page
    assert REASON in page
    audit = admin.get(f"{HOME}audit").content.decode()
    assert name in audit
    assert REASON in audit
    assert f"{name} (portal staff)" not in audit


def test_the_admins_get_a_mail_and_the_log_has_both_ends(
    acme: Organization, browser: Client
) -> None:
    browser.post("/portal/stop")
    record_acts()

    [mail] = mails_to("alice@example.com")
    assert "mo, a member of the portal's staff, acts for Acme" in mail
    assert REASON in mail
    began, ended = AuditEntry.objects.filter(verb__startswith="staff.acting").order_by("pk")
    assert [began.verb, ended.verb] == ["staff.acting_began", "staff.acting_ended"]
    assert began.organization_id == ended.organization_id == acme.pk
    assert (began.reason, ended.reason) == (REASON, REASON)
    assert ended.after == {"why": "stopped"}


def test_staff_act_as_an_operator_and_not_as_an_admin(browser: Client, bob: User) -> None:
    assert browser.get(f"{HOME}requests/new").status_code == 200
    assert browser.get(f"{HOME}audit").status_code == 403
    invited = browser.post(f"{HOME}settings/members", {"email": "e@example.com", "role": "viewer"})
    assert invited.status_code == 403
    assert browser.post(f"{HOME}settings/members/{bob.pk}/remove").status_code == 403


def _stop(browser: Client, mo: User) -> None:
    browser.post("/portal/stop")


def _time(browser: Client, mo: User) -> None:
    StaffActing.objects.update(ends_at=timezone.now())


def _sign_out(browser: Client, mo: User) -> None:
    browser.post("/sign-out")


def _lose_the_right(browser: Client, mo: User) -> None:
    User.objects.filter(pk=mo.pk).update(is_superuser=False)


def _leave(browser: Client, mo: User) -> None:
    User.objects.filter(pk=mo.pk).update(is_staff=False)


def _deactivate(browser: Client, mo: User) -> None:
    User.objects.filter(pk=mo.pk).update(is_active=False)


def _close(browser: Client, mo: User) -> None:
    Organization.objects.filter(slug="acme").update(is_active=False)


ENDS: Final = [_stop, _time, _sign_out, _lose_the_right, _leave, _deactivate, _close]


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_at_once_for_pages_and_for_calls_that_run(
    acme: Organization, mo: User, browser: Client, end: Callable[[Client, User], None]
) -> None:
    running = _actor(mo)

    end(browser, mo)

    assert browser.get(HOME).status_code in (302, 404)
    with pytest.raises(NotFound):
        require_current_role(acme.pk, running)
    with pytest.raises(NotFound):
        services.submit(organization=acme, actor=running, submission=SUBMISSION)
    assert not MitigationRequest.objects.exists()


def test_a_running_call_stays_with_its_organization_and_role(
    acme: Organization, globex: Organization, mo: User, browser: Client
) -> None:
    running = _actor(mo)

    require_current_role(acme.pk, running, Role.OPERATOR)
    with pytest.raises(NotFound):
        require_current_role(globex.pk, running)
    with pytest.raises(NotAllowed):
        require_current_role(acme.pk, running, Role.ADMIN)


def test_one_organization_at_a_time(browser: Client, globex: Organization) -> None:
    second = browser.post("/portal/organizations/globex/act", {"reason": REASON})

    assert second.status_code == 409
    assert "Stop that first" in second.content.decode()
    browser.post("/portal/stop")
    assert browser.post("/portal/organizations/globex/act", {"reason": REASON}).status_code == 302


def test_the_end_of_the_time_is_recorded_and_a_new_start_possible(
    acme: Organization, browser: Client
) -> None:
    StaffActing.objects.update(ends_at=timezone.now())
    assert acting.end_expired(now=timezone.now()) == 1
    assert acting.end_expired(now=timezone.now()) == 0
    assert browser.post(f"{PORTAL}act", {"reason": REASON}).status_code == 302
    StaffActing.objects.filter(ended_at=None).update(ends_at=timezone.now())
    assert browser.post(f"{PORTAL}act", {"reason": REASON}).status_code == 302

    ends = Event.objects.filter(type=EventType.STAFF_ACTING_ENDED)
    assert [one.data["why"] for one in ends] == ["time", "time"]


@pytest.mark.parametrize("reason", ["", "too short", "x" * 501, "a null \0 in the reason"])
def test_it_needs_a_reason(mo: User, client_of: ClientOf, reason: str) -> None:
    refused = client_of(mo).post(f"{PORTAL}act", {"reason": reason})

    assert (refused.status_code, StaffActing.objects.exists()) == (400, False)
    with pytest.raises(Invalid):
        acting.begin(slug="acme", user=mo, credential="a-session", reason=reason)


def test_it_needs_a_fresh_factor(mo: User, client_of: ClientOf) -> None:
    browser: Any = client_of(mo)
    session = browser.session
    session["factor_at"] -= timedelta(minutes=6).total_seconds()
    session.save()

    assert browser.post(f"{PORTAL}act", {"reason": REASON}).status_code == 403
    assert not StaffActing.objects.exists()


def test_only_staff_with_the_permission_act(alice: User, charlie: User) -> None:
    clerk = UserFactory.create(username="clerk", is_staff=True)

    for person in (alice, charlie, clerk):
        with pytest.raises(NotAllowed):
            acting.begin(slug="acme", user=person, credential="a-session", reason=REASON)
    assert not StaffActing.objects.exists()


def test_a_program_acts_with_its_token(mo: User, api_of: ApiOf, globex: Organization) -> None:
    api, other = api_of(mo), api_of(mo)
    begun = api.post(f"{API}/acting", {"reason": REASON}, format="json")
    assert begun.status_code == 201, begun.json()
    assert api.get("/api/v1/me").json()["acting_for"]["organization"] == "acme"
    assert other.get("/api/v1/me").json()["acting_for"] is None

    assert api.get(f"{API}/mitigation-requests").status_code == 200
    assert other.get(f"{API}/mitigation-requests").status_code == 404
    body = {"targets": {"prefixes": ["203.0.113.8/32"]}}
    sent = api.post(f"{API}/mitigation-requests", body, format="json")
    assert sent.json()["created_by"] == "staff mo acting for Acme"
    second = api.post("/api/v1/organizations/globex/acting", {"reason": REASON}, format="json")
    assert (second.status_code, second.json()["code"]) == (409, "acting-already")
    assert api.delete("/api/v1/organizations/globex/acting").status_code == 404
    assert api.delete(f"{API}/acting").status_code == 204
    assert api.get(f"{API}/mitigation-requests").status_code == 404


def test_a_token_that_is_signed_out_acts_no_more(mo: User, api_of: ApiOf) -> None:
    api = api_of(mo)
    api.post(f"{API}/acting", {"reason": REASON}, format="json")

    accounts.revoke_token(token=ApiToken.objects.get())

    assert StaffActing.objects.get().ended_because == "signed_out"


def test_changed_rights_of_staff_end_it(mo: User, browser: Client, client_of: ClientOf) -> None:
    from tests.factories import AuthenticatorFactory
    from tests.portal.accounts.test_staff_powers import form_of, url_of

    boss = UserFactory.create(username="boss", is_staff=True, is_superuser=True)
    AuthenticatorFactory.create(user=boss)

    changed = client_of(boss).post(url_of(mo), form_of(mo, is_staff="on"))

    assert changed.status_code == 302
    assert StaffActing.objects.get().ended_because == "right"


def test_a_long_name_still_fits(acme: Organization, mo: User, browser: Client) -> None:
    Organization.objects.filter(pk=acme.pk).update(name="A" * 200)

    name = _actor(mo).name

    assert (len(name), name[-1]) == (200, "…")
    assert _actor(mo).kind == ActorKind.STAFF


def test_an_act_elsewhere_does_not_name_the_organization(
    browser: Client, globex: Organization
) -> None:
    browser.post("/portal/organizations/globex/suspend", {"reason": "Unpaid for three months"})
    record_acts()

    entry = AuditEntry.objects.get(verb=EventType.ORGANIZATION_SUSPENDED)
    assert (entry.actor_name, entry.reason) == ("mo", "")


def test_a_busy_session_can_stop_twice(browser: Client) -> None:
    row = StaffActing.objects.get()
    user = row.user
    user.may_act = acting.may_act_all([(user, row.credential)])[row.credential]

    acting.stop(user.may_act)
    acting.stop(user.may_act)

    assert Event.objects.filter(type=EventType.STAFF_ACTING_ENDED).count() == 1


def test_two_starts_at_once_leave_one(acme: Organization, mo: User) -> None:
    acting.begin(slug="acme", user=mo, credential="a-session", reason=REASON)

    with pytest.raises(Conflict):
        acting.begin(slug="acme", user=mo, credential="a-session", reason=REASON)

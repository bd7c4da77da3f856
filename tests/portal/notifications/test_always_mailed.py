"""Mails that people get whatever they chose: about approvals, break glass and certificates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import ApprovalOutcome, MitigationRequest
from portal.notifications.models import Notice, QuietHours
from portal.notifications.services.collect import collect
from portal.notifications.services.deliver import deliver
from portal.notifications.services.timed import look_at_certificates, stage_of
from portal.organizations import services as organizations
from portal.organizations.models import Approval, Membership, Organization
from portal.providers.models import Subscription
from tests.factories import ServiceTokenFactory
from tests.portal.identities import DAY, pem
from tests.portal.mitigations.approving import expire, outcome, rule, submit
from tests.portal.notifications.conftest import Channels, Inbox, with_address
from tests.portal.notifications.test_email import body

NOW = timezone.now()
PREFIX = "203.0.113.0/29"


@pytest.fixture
def _people(alice: User, bob: User, dana: User, paul: User, charlie: User) -> None:
    for one in (alice, bob, dana, paul, charlie):
        with_address(one)


@pytest.fixture
def _approval(
    _people: None,
    acme: Organization,
    shop: object,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    rule(acme, approval=Approval.ALL)


Told = Callable[..., dict[str, EmailMessage]]


@pytest.fixture
def told(inbox: Inbox, acme: Organization) -> Told:
    """What came since the last call, by user name."""

    def new(now: datetime | None = None) -> dict[str, EmailMessage]:
        before = len(inbox.mails)
        collect()
        deliver(clock=lambda: now or timezone.now())
        found = inbox.mails[before:]
        names = [str(mail["To"]).partition("@")[0] for mail in found]
        assert len(set(names)) == len(names), names
        return dict(zip(names, found, strict=True))

    return new


def asked(organization: Organization, actor: User | Actor, **more: Any) -> MitigationRequest:
    return submit(organization, actor, PREFIX, **more)


@pytest.mark.usefixtures("_approval")
def test_all_about_one_request_is_one_thread_without_names_in_subjects(
    acme: Organization, dana: User, paul: User, told: Told
) -> None:
    request = asked(acme, dana, reason="UDP flood")
    wanted = told()
    services.break_glass(
        request_id=request.pk, actor=Actor.person(dana), reason="No one answers the phone."
    )
    broken = told()

    assert set(wanted) == {"alice", "paul"}
    assert set(broken) == {"alice"}
    mails = [*wanted.values(), *broken.values()]
    assert [mail["Subject"] for mail in mails] == [
        f"Request {request.number} waits for approval",
        f"Request {request.number} waits for approval",
        f"dana sent request {request.number} without approval",
    ]
    assert len({mail["References"] for mail in mails}) == 1
    assert len({mail["Message-ID"] for mail in mails}) == 3
    text = body(wanted["paul"], "plain")
    assert "dana asked for it. Nothing was sent yet." in text
    assert "Reason: UDP flood" in text
    assert f"/requests/{request.pk}/approval" in text
    assert "Reason: No one answers the phone." in body(broken["alice"], "plain")
    assert request.approval.told == ("alice", "paul")


@pytest.mark.usefixtures("_approval")
def test_no_choice_stops_them_and_no_quiet_hours_hold_them(
    acme: Organization, dana: User, paul: User, told: Told
) -> None:
    for membership in Membership.objects.all():
        QuietHours.objects.create(membership=membership, begins=time(0), ends=time(23, 59))
        for kind in ("approval.wanted", "approval.declined", "request.break_glass"):
            membership.notice_choices.create(kind=kind, channel_kind="email", is_wanted=False)

    request = asked(acme, dana)
    wanted = told()
    services.decline(request_id=request.pk, actor=Actor.person(paul), reason="A drill is on")

    assert set(wanted) == {"alice", "paul"}
    assert wanted["paul"]["List-Unsubscribe"] is None
    assert "Stop mails" not in body(wanted["paul"], "plain")
    assert set(told()) == {"dana"}


@pytest.mark.usefixtures("_approval")
def test_other_approvers_learn_that_one_approved(
    acme: Organization, dana: User, paul: User, told: Told
) -> None:
    request = asked(acme, dana)
    told()

    services.approve(request_id=request.pk, actor=Actor.person(paul))

    [(name, mail)] = told().items()
    assert (name, mail["Subject"]) == ("alice", f"paul approved request {request.number}")


@pytest.mark.usefixtures("_approval")
def test_the_person_who_asked_gets_no_mail_that_it_waits(
    acme: Organization, alice: User, paul: User, told: Told
) -> None:
    request = asked(acme, alice)

    assert set(told()) == {"paul"}
    assert request.approval.told == ("paul",)


@pytest.mark.usefixtures("_approval")
def test_the_person_who_asked_learns_who_declined_it_and_why(
    acme: Organization, dana: User, paul: User, told: Told
) -> None:
    request = asked(acme, dana)
    told()

    services.decline(request_id=request.pk, actor=Actor.person(paul), reason="A drill is on")

    [(name, mail)] = told().items()
    assert (name, mail["Subject"]) == ("dana", f"paul declined request {request.number}")
    assert "Nothing was sent." in body(mail, "plain")
    assert "Reason: A drill is on" in body(mail, "plain")


@pytest.mark.usefixtures("_approval")
def test_the_person_who_asked_learns_that_no_one_approved_it_in_time(
    acme: Organization, dana: User, told: Told
) -> None:
    request = asked(acme, dana)
    told()
    expire(request)

    assert services.expire_approvals(now=timezone.now()) == 1

    [(name, mail)] = told().items()
    assert (name, mail["Subject"]) == ("dana", f"No one approved request {request.number} in time")
    assert "request it again" in body(mail, "plain")


@pytest.mark.usefixtures("_approval")
def test_a_person_who_left_the_organization_learns_nothing(
    acme: Organization, dana: User, paul: User, told: Told
) -> None:
    request = asked(acme, dana)
    told()
    organizations.remove_member(organization=acme, user=dana)

    services.decline(request_id=request.pk, actor=Actor.person(paul), reason="A drill is on")

    assert outcome(request) == ApprovalOutcome.DECLINED
    assert told() == {}


@pytest.mark.usefixtures("_approval")
def test_a_request_of_a_program_is_declined_without_a_mail(
    acme: Organization, paul: User, told: Told
) -> None:
    token = ServiceTokenFactory.create(organization=acme)
    request = asked(acme, Actor.service_token(token.pk, token.name))
    told()

    services.decline(request_id=request.pk, actor=Actor.person(paul), reason="A drill is on")

    assert told() == {}


@pytest.mark.usefixtures("_approval")
def test_an_approval_names_no_one_without_a_mail_server(
    acme: Organization, dana: User, settings: Any, channels: Channels
) -> None:
    settings.EMAIL_HOST = settings.EMAIL_FILE_PATH = ""

    request = asked(acme, dana)
    collect()

    assert (request.approval.told, outcome(request)) == ((), ApprovalOutcome.WAITING)
    assert not Notice.objects.exists()


@pytest.mark.parametrize(
    ("days", "stage"), [(31, None), (29.9, 30), (14, 14), (13.5, 14), (6, 7), (0.5, 1), (-1, None)]
)
def test_a_stage_begins_that_many_days_before(days: float, stage: int | None) -> None:
    assert stage_of(NOW + timedelta(days=days), NOW) == stage


@pytest.mark.usefixtures("_people")
def test_each_stage_of_a_certificate_is_mailed_once_to_the_admins(
    acme: Organization, acme_northgate: Subscription, told: Told
) -> None:
    Subscription.objects.update(certificate_chain=pem(20))
    look_at_certificates(NOW)
    look_at_certificates(NOW + timedelta(hours=1))

    [(name, mail)] = told().items()
    assert name == "alice"
    assert re.fullmatch(r"The certificate for Northgate ends within (19|20) days", mail["Subject"])
    assert "Settings › Providers" in body(mail, "plain")
    assert "/settings/providers" in body(mail, "plain")
    threads = {mail["References"]}
    for later in (8 * DAY, 14 * DAY, 19.5 * DAY):
        look_at_certificates(NOW + later)
        [again] = told(NOW + later).values()
        threads.add(again["References"])
    look_at_certificates(NOW + 21 * DAY)
    assert told(NOW + 21 * DAY) == {}
    assert len(threads) == 1


@pytest.mark.usefixtures("_people")
def test_a_renewed_certificate_gets_its_own_mails(acme_northgate: Subscription, told: Told) -> None:
    Subscription.objects.update(certificate_chain=pem(20))
    look_at_certificates(NOW)
    assert set(told()) == {"alice"}

    Subscription.objects.update(certificate_chain=pem(25))
    look_at_certificates(NOW)

    assert set(told()) == {"alice"}


@pytest.mark.usefixtures("_people")
@pytest.mark.parametrize("values", [{"enabled": False}, {"certificate_chain": "unreadable"}])
def test_nothing_is_mailed_about_what_is_not_asked_or_unreadable(
    acme_northgate: Subscription, told: Told, values: dict[str, Any]
) -> None:
    Subscription.objects.update(certificate_chain=pem(5))
    Subscription.objects.update(**values)

    look_at_certificates(NOW)

    assert told() == {}

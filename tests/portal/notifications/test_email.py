"""Mail to people, as a real mail server gets it."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import EmailMessage

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest
from portal.notifications.models import Notice, NoticeState
from portal.notifications.services.collect import collect
from portal.notifications.services.deliver import deliver
from portal.notifications.services.release import release
from portal.notifications.services.timed import look
from portal.organizations.models import Organization
from tests.portal.mitigations.conftest import Submit, submit  # noqa: F401 — a fixture
from tests.portal.mitigations.rows import confirm, mitigations_of, refuse
from tests.portal.notifications.conftest import Inbox, collected, later, with_address


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def refused_request(submit: Submit, alice: User) -> MitigationRequest:  # noqa: F811
    """A request that both providers refuse: three notices."""
    with_address(alice)
    request = submit()
    for mitigation in mitigations_of(request):
        refuse(mitigation)
    for mitigation in mitigations_of(request)[1:]:
        refuse(mitigation)
    collect()
    deliver()
    return request


def test_one_request_is_one_thread(submit: Submit, alice: User, inbox: Inbox) -> None:  # noqa: F811
    request = refused_request(submit, alice)

    subjects = [mail["Subject"] for mail in inbox.mails]
    assert subjects == [
        f"Northgate refused request {request.number}",
        f"Tidewall refused request {request.number}",
        f"No provider accepted request {request.number}",
    ]
    assert len({mail["References"] for mail in inbox.mails}) == 1
    assert all(mail["In-Reply-To"] == mail["References"] for mail in inbox.mails)
    ids = {mail["Message-ID"] for mail in inbox.mails}
    assert len(ids) == 3
    known = Notice.objects.values_list("message_id", flat=True)
    assert ids == {f"<{one}@portal.example>" for one in known}


def test_the_subject_names_targets_only_if_the_organization_wishes(
    submit: Submit,  # noqa: F811
    acme: Organization,
    alice: User,
    inbox: Inbox,
) -> None:
    refused_request(submit, alice)
    Organization.objects.update(names_in_notices=True)
    Notice.objects.update(state=NoticeState.QUEUED, next_try_at=timezone.now())
    deliver()

    plain, named = inbox.mails[:3], inbox.mails[3:]
    for mail in plain:
        assert not re.search(r"Shop|203\.0\.113|Acme|acme", mail["Subject"])
    assert named[0]["Subject"] == "Northgate refused the request for Shop front-end"


def test_both_bodies_say_the_same(submit: Submit, alice: User, inbox: Inbox) -> None:  # noqa: F811
    request = refused_request(submit, alice)

    mail = inbox.mails[-1]
    for kind in ("plain", "html"):
        text = body(mail, kind)
        assert "The target is not protected." in text
        assert f"https://portal.example/organizations/acme/requests/{request.pk}" in text
        assert "Shop front-end" in text
        assert "Acme" in text
        assert "https://portal.example/me/notices" in text
    assert "http" not in re.sub(r"https://portal\.example\S*", "", body(mail, "html"))


def test_a_mail_stops_its_kind_with_one_click(
    acme: Organization, alice: User, inbox: Inbox
) -> None:
    with_address(alice)
    collected(acme)
    deliver()

    [mail] = inbox.mails
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip()
    assert re.fullmatch(r"<https://portal\.example/notices/stop/\S+>", link)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["To"] == "alice@example.com"
    assert mail["From"] == "Portal <notices@portal.example>"


def test_times_are_in_the_zone_of_the_person(acme: Organization, alice: User, inbox: Inbox) -> None:
    with_address(alice)
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo")
    [notice] = collected(acme)
    Notice.objects.update(occurred_at="2026-11-30T20:30:00Z")

    deliver()

    text = body(inbox.mails[0], "plain")
    assert "1 December 2026, 05:30:00 JST" in text
    assert notice.message_id


def test_text_of_others_cannot_break_a_header_or_the_page(
    submit: Submit,  # noqa: F811
    acme: Organization,
    alice: User,
    inbox: Inbox,
) -> None:
    with_address(alice)
    Organization.objects.update(names_in_notices=True)
    request = submit()
    name = "Shop\r\nBcc: all@example.com <script>alert(1)</script>"
    MitigationRequest.objects.filter(pk=request.pk).update(name=name)
    refuse(mitigations_of(request)[0])
    collect()
    deliver()

    mail = inbox.mails[0]
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
    assert "<script>" not in body(mail, "html")
    assert "&lt;script&gt;" in body(mail, "html")
    assert inbox.to == ["alice@example.com"] * len(inbox.mails)


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ("451 try again later", NoticeState.FAILED),
        ("554 content refused", NoticeState.DEAD),
    ],
)
def test_the_server_says_whether_another_try_helps(
    acme: Organization, alice: User, inbox: Inbox, says: str, state: NoticeState
) -> None:
    with_address(alice)
    collected(acme)
    inbox.refuses_with = says

    deliver()

    [notice] = Notice.objects.all()
    assert notice.state == state
    assert says[4:] in notice.answer


def test_a_digest_lists_what_it_tells(acme: Organization, alice: User, inbox: Inbox) -> None:
    with_address(alice)
    collected(acme, 8)
    release(later(minutes=11))
    deliver(clock=lambda: later(minutes=11))

    digest = inbox.mails[-1]
    assert digest["Subject"] == "3 notices"
    assert body(digest, "plain").count("A drill failed") == 3
    assert len(inbox.mails) == 6


def test_a_request_warns_before_it_ends(
    submit: Submit,  # noqa: F811
    alice: User,
    inbox: Inbox,
) -> None:
    """Once, in the last 15 minutes; again after an extension."""
    with_address(alice)
    request = submit(auto_renew=False)
    confirm(mitigations_of(request)[0])
    request.refresh_from_db()
    assert request.requested_until is not None

    for minutes in (16, 14, 13, 1):
        look(request.requested_until - timedelta(minutes=minutes))
    MitigationRequest.objects.update(requested_until=request.requested_until + timedelta(hours=1))
    look(request.requested_until + timedelta(minutes=50))
    deliver(clock=lambda: later(hours=3))

    assert [mail["Subject"] for mail in inbox.mails] == [
        f"Protection ends in 14 min for request {request.number}",
        f"Protection ends in 10 min for request {request.number}",
    ]
    assert "Extend it if the attack lasts." in body(inbox.mails[0], "plain")

"""Members with addresses, receivers that a test controls, and a real mail server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.utils import timezone

from local_stack.ports import free_port
from portal.accounts.models import User
from portal.events.log import append_event
from portal.events.models import EventType
from portal.notifications import receivers
from portal.notifications.channels.channel import ChannelField
from portal.notifications.message import NoticeMessage, Outcome, ReceiverAnswer
from portal.notifications.models import Notice
from portal.notifications.receivers import EnabledChannel, Route
from portal.notifications.services.collect import collect
from portal.organizations.models import Organization

NOW = datetime.fromisoformat("2026-11-30T12:00:00+00:00")


@dataclass
class Receiving:
    """A receiver that remembers messages and drops those whose id it has."""

    kind: str = "webhook"
    name: str = "Webhook"
    fields: tuple[ChannelField, ...] = ()
    answers: list[ReceiverAnswer] = field(default_factory=list)
    "the next ones; then it accepts everything"
    tries: list[NoticeMessage] = field(default_factory=list)
    messages: dict[UUID, NoticeMessage] = field(default_factory=dict)
    before_answer: Callable[[], None] = lambda: None

    def check(self, values: Mapping[str, str]) -> None: ...

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        self.tries.append(message)
        answer = self.answers.pop(0) if self.answers else ReceiverAnswer(Outcome.SENT, "OK")
        if answer.outcome == Outcome.SENT:
            self.messages.setdefault(message.id, message)
        self.before_answer()
        return answer

    @property
    def kinds(self) -> list[str]:
        return [one.kind for one in self.messages.values()]


@dataclass
class Channels:
    """One channel of each organization that a test gives one."""

    of: dict[UUID, list[tuple[UUID, Receiving]]] = field(default_factory=dict)
    off: set[UUID] = field(default_factory=set)

    def add(self, organization: Organization) -> Receiving:
        added = Receiving()
        self.of.setdefault(organization.pk, []).append((uuid4(), added))
        return added

    def enabled(
        self, organization_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[EnabledChannel]]:
        return {
            one: [
                EnabledChannel(pk, added.kind, lambda _kind, _severity: True)
                for pk, added in self.of.get(one, [])
                if pk not in self.off
            ]
            for one in organization_ids
        }

    def route(self, notice: Notice) -> Route | None:
        own = dict(self.of.get(notice.organization_id, []))
        found = own.get(notice.channel_id or uuid4())
        return None if found is None or notice.channel_id in self.off else Route(found, {})

    def answered(self, notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
        if answer.outcome == Outcome.GONE and notice.channel_id:
            self.off.add(notice.channel_id)


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Channels:
    found = Channels()
    monkeypatch.setattr(receivers, "organization_channels", [found])
    return found


class Inbox:
    """What a mail server got."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[EmailMessage] = []
        self.to: list[str] = []
        self.refuses_with = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuses_with:
            return self.refuses_with
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.to += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    """A mail server on loopback that the portal uses."""
    found = Inbox(free_port())
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "Portal <notices@portal.example>"
    settings.PORTAL_ADDRESS = "https://portal.example"
    server = Controller(found, hostname="127.0.0.1", port=found.port)
    server.start()
    yield found
    server.stop()


def with_address(user: User) -> User:
    user.email = f"{user.username}@example.com"
    user.save(update_fields=["email"])
    return user


def failed_drill(organization: Organization, number: int = 0) -> None:
    """An event that is worth a notice to every channel and operator."""
    append_event(
        organization_id=organization.pk,
        type=EventType.DRILL_ENDED,
        at=timezone.now(),
        data={"drill": f"00000000-0000-0000-0000-{number:012}", "passed": False},
    )


def fail_drills(organization: Organization, count: int) -> None:
    for number in range(count):
        failed_drill(organization, number)


def collected(organization: Organization, count: int = 1) -> list[Notice]:
    fail_drills(organization, count)
    collect()
    return list(Notice.objects.filter(organization=organization).order_by("pk"))


def later(**by: float) -> datetime:
    return timezone.now() + timedelta(**by)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.services.change import ChannelDraft, add_channel
from portal.notifications.message import NoticeMessage, Severity
from portal.organizations.models import Organization
from tests.portal.notifications.channels.http_receiver import HttpReceiver, running

MESSAGE = NoticeMessage(
    id=UUID("11111111-2222-4333-8444-555555555555"),
    thread="request:6f0d9f6e-6f53-4b44-9f43-0c1a7c3f9a10",
    opens_thread=True,
    closes_thread=False,
    kind="request.not_reached",
    severity=Severity.CRITICAL,
    title="No provider was reached",
    text="Northgate did not answer.\nThe portal keeps trying.",
    url="https://portal.example/organizations/acme/requests/6f0d9f6e",
    occurred_at=datetime(2026, 11, 30, 5, 0, tzinfo=UTC),
    event={"seq": 41, "type": "mitigation.status", "data": {"status": "requested"}},
)
END = replace(
    MESSAGE,
    id=UUID("11111111-2222-4333-8444-666666666666"),
    opens_thread=False,
    closes_thread=True,
    kind="request.accepted",
    severity=Severity.RESOLVED,
    title="Northgate accepted",
    text="Northgate accepted the request.",
)


@pytest.fixture
def receiver(settings: Any) -> Iterator[HttpReceiver]:
    """On loopback, which the operator allows."""
    settings.PORTAL_NOTICE_NETWORKS = [ip_network("127.0.0.0/8")]
    with running() as own:
        yield own


AddWebhook = Callable[..., NoticeChannel]


@pytest.fixture
def add_webhook(acme: Organization, alice: User) -> AddWebhook:
    def add(url: str, *, name: str = "Night shift", **draft: Any) -> NoticeChannel:
        channel, _ = add_channel(
            organization=acme,
            actor=Actor.person(alice),
            kind="webhook",
            draft=ChannelDraft(name=name, values={"url": url}, **draft),
        )
        return channel

    return add

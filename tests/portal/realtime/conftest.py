from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import User
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Organization
from portal.realtime import log_reader
from tests.sockets import Socket

Log = Callable[[Organization], Awaitable[int]]
TokenOf = Callable[[User], str]


class OpenSocket(Protocol):
    async def __call__(self, user: User, slug: str = "acme", *, after: object = 0) -> Socket: ...


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 0.2)
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 0.2)


@pytest.fixture
def log() -> Log:
    """Append an event to an organization's log; returns its number."""

    def append(organization: Organization) -> int:
        event = append_event(
            organization_id=organization.pk, type=EventType.SESSION_UP, at=timezone.now()
        )
        return event.seq

    return database_sync_to_async(append)


@pytest.fixture
def token_of() -> TokenOf:
    def issue(user: User) -> str:
        return services.issue_token(user=user, device_name="test").plain

    return issue


@pytest.fixture
async def open_socket(token_of: TokenOf) -> AsyncIterator[OpenSocket]:
    """Open a person's socket, which the end of the test closes."""
    opened: list[Socket] = []

    async def open_one(user: User, slug: str = "acme", *, after: object = 0) -> Socket:
        socket = Socket(slug, token=await database_sync_to_async(token_of)(user), after=after)
        assert await socket.connect() == 0
        opened.append(socket)
        return socket

    yield open_one
    for socket in opened:
        await socket.disconnect()

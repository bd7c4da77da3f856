from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import User
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Organization
from portal.realtime import log_reader

Log = Callable[[Organization], Awaitable[int]]


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
def token_of() -> Callable[[User], str]:
    def issue(user: User) -> str:
        return services.issue_token(user=user, device_name="test").plain

    return issue

from __future__ import annotations

import pytest

from portal.mitigations.models import Event
from portal.organizations.models import Organization
from portal.providers.models import Provider, SessionState, Subscription
from tests.factories import SubscriptionFactory


@pytest.fixture
def acme_northgate(acme: Organization, northgate: Provider) -> Subscription:
    """Nobody talked to the provider yet."""
    return SubscriptionFactory.create(
        organization=acme,
        provider=northgate,
        priority=1,
        session_state=SessionState.DOWN,
        session_since=None,
        last_heard_at=None,
    )


def session_events() -> list[Event]:
    return list(Event.objects.filter(type__startswith="session.").order_by("seq"))

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Provider, SessionState, Subscription
from portal.signaling.database_threads import DatabaseThreads
from tests.factories import SubscriptionFactory


@pytest.fixture
def acme_northgate(acme: Organization, northgate: Provider) -> Subscription:
    """No session with the provider has existed yet."""
    return SubscriptionFactory.create(
        organization=acme,
        provider=northgate,
        priority=1,
        session_state=SessionState.DOWN,
        session_since=None,
        last_heard_at=None,
    )


@pytest.fixture
def threads() -> Iterator[DatabaseThreads]:
    threads = DatabaseThreads()
    yield threads
    threads.close()


@pytest.fixture
def mitigation(
    alice: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> Mitigation:
    """alice asks Northgate for one address."""
    submission = Submission(prefixes=("203.0.113.7/32",))
    asked = services.submit(organization=acme, actor=Actor.person(alice), submission=submission)
    return asked.mitigations.get()


@pytest.fixture
def database_refuses() -> Iterator[Callable[[str], None]]:
    """Make the database refuse mitigation rows that fulfil a condition."""
    table = Mitigation._meta.db_table
    refused: list[str] = []

    def refuse(condition: str) -> None:
        name = f"refused_{len(refused)}"
        refused.append(name)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (NOT ({condition})) NOT VALID"
                )
            else:
                new = condition.replace("refusal_", "NEW.refusal_")
                new = new.replace("status", "NEW.status").replace("unsaved", "NEW.unsaved")
                cursor.execute(
                    f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN {new} "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )

    yield refuse
    with connection.cursor() as cursor:
        for name in refused:
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            else:
                cursor.execute(f"DROP TRIGGER {name}")


def session_events() -> list[Event]:
    return list(Event.objects.filter(type__startswith="session.").order_by("seq"))

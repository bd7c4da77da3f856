"""An open page counts as use of its browser only while its organization has a live request."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import BrowserSession, User
from portal.mitigations import services
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.realtime import log_reader
from portal.realtime.access import Credential, note_use
from tests.conftest import ClientOf
from tests.portal.realtime.test_access_ends import OWN_ORIGIN, cookie_of
from tests.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)


def leave_unused(user: User, minutes: float) -> None:
    BrowserSession.objects.filter(user=user).update(
        last_seen_at=timezone.now() - timedelta(minutes=minutes)
    )


def unused_min(user: User) -> int:
    seen = BrowserSession.objects.get(user=user).last_seen_at
    return round((timezone.now() - seen) / timedelta(minutes=1))


@pytest.fixture
def ask(shop: ProtectedResource, acme_northgate: Subscription, dana: User) -> None:
    services.submit(
        organization=shop.organization,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )


def page_of(browser_of: ClientOf, user: User, organization: UUID) -> tuple[Credential, UUID]:
    key = browser_of(user).session.session_key
    assert key
    return Credential(session_key=key), organization


@pytest.mark.usefixtures("ask")
def test_pages_count_as_use_while_their_own_organization_has_a_live_request(
    bob: User, charlie: User, acme: Organization, globex: Organization, client_of: ClientOf
) -> None:
    pages = [page_of(client_of, bob, acme.pk), page_of(client_of, charlie, globex.pk)]
    for user in (bob, charlie):
        leave_unused(user, 30)

    note_use([*pages, (Credential(token="dmp_x"), acme.pk)])

    assert (unused_min(bob), unused_min(charlie)) == (0, 30)


def test_without_a_live_request_an_open_page_is_no_use(
    bob: User, acme: Organization, client_of: ClientOf
) -> None:
    page = page_of(client_of, bob, acme.pk)
    leave_unused(bob, 30)

    note_use([page])

    assert unused_min(bob) == 30


async def test_the_socket_of_a_page_that_is_not_used_closes(bob: User, client_of: ClientOf) -> None:
    browser = await database_sync_to_async(client_of)(bob)
    socket = Socket(headers=(cookie_of(browser), OWN_ORIGIN))
    await socket.connect()

    await database_sync_to_async(leave_unused)(bob, 90)

    assert await socket.close_code() == 4401
    late = Socket(headers=(cookie_of(browser), OWN_ORIGIN))
    assert await late.connect() == 4401


@pytest.mark.usefixtures("ask")
async def test_the_socket_of_a_watched_attack_notes_the_use(
    bob: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "NOTE_AGAIN_S", 0.1)
    browser = await database_sync_to_async(client_of)(bob)
    await database_sync_to_async(leave_unused)(bob, 30)
    socket = Socket(headers=(cookie_of(browser), OWN_ORIGIN))
    await socket.connect()

    while await database_sync_to_async(unused_min)(bob) == 30:
        await socket.receive_text()

    assert await database_sync_to_async(unused_min)(bob) == 0
    await socket.disconnect()

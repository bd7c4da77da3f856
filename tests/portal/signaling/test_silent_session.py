"""A provider that lost its memory and its sessions does not report it, so a silent session is
polled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from aiocoap import Code
from django.utils import timezone

from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import Status
from portal.providers.models import SessionState
from portal.signaling.actions.next_action import Action, NextAction
from portal.signaling.async_events import loop_time
from portal.signaling.book import Book
from portal.signaling.leasing import leases
from portal.signaling.owned_mitigations import OwnedMitigations
from portal.signaling.sessions import live_session, silence_watch
from tests.dots_client.authority import Authority
from tests.dots_client.client.test_redirection import pair
from tests.dots_client.transport.loopback import until
from tests.portal.signaling import test_session_manager
from tests.portal.signaling.test_session_manager import client_of, running_manager

notes = test_session_manager.notes


@pytest.mark.rule("SC-053")
async def test_a_silent_session_is_polled_and_suspected_when_it_stays_silent(
    monkeypatch: pytest.MonkeyPatch, notes: list[tuple[SessionState, str]]
) -> None:
    now = timezone.now()
    row = Mitigation(
        pk=uuid4(),
        mid=1,
        status=Status.MITIGATING,
        request=MitigationRequest(),
        asked_at=now,
        last_heard_at=now,
    )
    monkeypatch.setattr(Book, "read", is_read(row))
    monkeypatch.setattr(
        live_session, "next_action", lambda *_row, **_more: NextAction(action=Action.WAIT)
    )
    monkeypatch.setattr(leases, "write_as_owner", written)
    for name in ("WATCH_S", "PROBE_AFTER_S", "SUSPECT_AFTER_S"):
        monkeypatch.setattr(silence_watch, name, 0.1)
    authority = Authority()
    async with pair(authority) as there, running_manager(there, authority, monkeypatch) as manager:
        first = client_of(manager)
        await until(lambda: bool(there.home.asked(Code.GET)))
        assert client_of(manager) is first

        known = {session.address for session in there.servers[0].sessions}
        there.servers[0].drop_incoming = lambda _datagram, address: address in known

        await until(lambda: client_of(manager) is not first)


def is_read(row: Mitigation) -> Callable[[Book, OwnedMitigations], Awaitable[None]]:
    """Reads of the book find this row."""

    async def read(_book: Book, owned: OwnedMitigations) -> None:
        owned.begin_read()
        owned.read([row], at=loop_time())

    return read


def written(_subscription: object, _owner: str, _call: Callable[[], object]) -> None:
    """The writes do not matter here."""

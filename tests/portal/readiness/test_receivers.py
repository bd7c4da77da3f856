"""Whether anyone would hear a notice now."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.core.formatting import NBSP
from portal.notifications.channels.models import NoticeChannel
from portal.organizations.models import Organization
from portal.readiness.checks.receivers import ChannelFacts, receivers
from portal.readiness.rows import State
from tests.conftest import ClientOf

WORKS = ChannelFacts(name="NOC", is_enabled=True, is_failing=False, was_delivered=True)
FAILS = ChannelFacts(name="Chat", is_enabled=True, is_failing=True, was_delivered=True)
OFF = ChannelFacts(name="Pager", is_enabled=False, is_failing=False, was_delivered=True)
UNTRIED = ChannelFacts(name="SMS", is_enabled=True, is_failing=False, was_delivered=False)


@pytest.mark.parametrize(
    ("channels", "mailed", "state", "evidence"),
    [
        ([WORKS], 3, State.PASS, "Channels that deliver: 1 of 1. 3 members can get mail."),
        (
            [WORKS, FAILS],
            3,
            State.WARN,
            "Channels that deliver: 1 of 2. Chat: fails. 3 members can",
        ),
        ([WORKS, OFF], 0, State.WARN, "Pager: switched off."),
        ([UNTRIED], 1, State.WARN, "SMS: not tried yet, so send a test. 1 member can get mail."),
        ([FAILS, OFF, UNTRIED], 0, State.FAIL, "Channels that deliver: 0 of 3."),
    ],
)
def test_each_channel_that_does_not_deliver_is_named(
    channels: list[ChannelFacts], mailed: int, state: State, evidence: str
) -> None:
    row = receivers(channels, mailed, None)

    assert row.state is state
    assert evidence in row.evidence.replace(NBSP, " ")
    assert bool(row.clause) == (state is not State.PASS)


def test_the_page_shows_it_for_an_organization_with_channels(
    alice: User, bob: User, acme: Organization, client_of: ClientOf
) -> None:
    page = "/organizations/acme/readiness"
    question = "Would anyone hear it now?"
    assert question not in client_of(alice).get(page).content.decode()
    NoticeChannel.objects.create(
        organization=acme, kind="slack", name="Chat", secrets=b"", created_at=timezone.now()
    )

    shown = client_of(alice).get(page).content.decode()
    to_a_viewer = client_of(bob).get(page).content.decode()

    assert question in shown
    assert "Chat: not tried yet" in shown
    assert 'href="/organizations/acme/settings/notices"' in shown
    # Only admins may open it.
    assert question in to_a_viewer
    assert 'href="/organizations/acme/settings/notices"' not in to_a_viewer

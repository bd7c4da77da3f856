"""The members that a note mentions get a notice, and no one else."""

from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import EventCursor
from portal.mitigations import services
from portal.mitigations.validation import Submission
from portal.notifications.kinds import NoticeKind
from portal.notifications.messages import message_of
from portal.notifications.models import Notice
from portal.notifications.services.collect import collect
from portal.notifications.services.write import CONSUMER
from portal.organizations.models import Organization
from tests.portal.notifications.conftest import Channels, Inbox, with_address


@pytest.fixture
def _people(alice: User, bob: User, dana: User, charlie: User, inbox: Inbox) -> None:
    for person in (alice, bob, dana, charlie):
        with_address(person)


def noted(organization: Organization, writer: User, text: str) -> list[Notice]:
    """The notices about a note on a new request."""
    request = services.submit(
        organization=organization,
        actor=Actor.person(writer),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    services.add_note(
        organization=organization, request_id=request.pk, actor=Actor.person(writer), text=text
    )
    EventCursor.objects.get_or_create(consumer=CONSUMER, organization_id=organization.pk)
    collect()
    return list(Notice.objects.filter(kind=NoticeKind.MENTIONED).order_by("pk"))


@pytest.mark.usefixtures("_people", "acme_northgate", "shop")
def test_the_mentioned_members_get_a_notice_whatever_their_role(
    acme: Organization, alice: User, channels: Channels
) -> None:
    channels.add(acme)

    found = noted(acme, alice, "@bob look at this, and @charlie, and @alice")

    # charlie belongs to another organization, and alice wrote it. A channel gets every mention.
    people = {one.user.username for one in found if one.user}
    assert (people, len(found)) == ({"bob"}, 2)
    assert {one.facts.by for one in found} == {"alice"}
    assert {one.facts.reason for one in found} == {"@bob look at this, and @charlie, and @alice"}
    titles = {message_of(one).title.partition(" in ")[0] for one in found}
    assert titles == {"alice mentions you", "alice mentions a member"}
    assert {one.thread for one in found} == {f"request:{found[0].request_id}"}


@pytest.mark.usefixtures("_people", "acme_northgate", "shop")
def test_a_note_without_a_member_is_no_notice(acme: Organization, alice: User) -> None:
    assert noted(acme, alice, "Watch port 443, @nobody") == []

"""Events become rows, one per happening and receiver."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Invalid
from portal.events.cursors import behind
from portal.events.log import append_event
from portal.events.models import EventCursor, EventType
from portal.notifications.choices import choose, set_quiet_hours
from portal.notifications.kinds import DIGEST, NoticeKind
from portal.notifications.message import Severity
from portal.notifications.models import Notice, NoticeState
from portal.notifications.retries import PER_WINDOW
from portal.notifications.services import collect as collecting
from portal.notifications.services import write as writing
from portal.notifications.services.collect import collect
from portal.notifications.services.prune import prune
from portal.notifications.services.release import release
from portal.notifications.services.timed import look
from portal.notifications.services.write import CONSUMER
from portal.organizations.models import Membership, Organization
from portal.providers.models import Provider, SessionState, Subscription
from tests.factories import OrganizationFactory, SubscriptionFactory
from tests.portal.notifications.conftest import (
    Channels,
    Inbox,
    collected,
    fail_drills,
    later,
    with_address,
)

pytestmark = pytest.mark.sqlite


def receivers_of(notices: list[Notice]) -> set[str]:
    return {one.user.username if one.user else one.channel_kind for one in notices}


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def test_each_member_who_wants_it_and_each_channel_gets_one_row(
    acme: Organization, alice: User, dana: User, bob: User, inbox: Inbox, channels: Channels
) -> None:
    for person in (alice, bob):
        with_address(person)
    channels.add(acme)

    found = collected(acme)

    # dana has no address, and a viewer gets nothing by default.
    assert receivers_of(found) == {"alice", "webhook"}
    assert {one.kind for one in found} == {NoticeKind.DRILL_FAILED}
    assert {one.state for one in found} == {NoticeState.QUEUED}
    assert all(one.event["type"] == EventType.DRILL_ENDED for one in found)


def test_reading_the_same_events_again_writes_nothing(
    acme: Organization, channels: Channels
) -> None:
    channels.add(acme)
    before = collected(acme, 3)

    EventCursor.objects.filter(consumer=CONSUMER).update(seq=0)
    collect()

    assert list(Notice.objects.order_by("pk")) == before


def test_the_notices_and_the_cursor_are_saved_together(
    acme: Organization, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies while it writes has read nothing."""
    channels.add(acme)
    fail_drills(acme, 2)

    def write_and_fail(*arguments: Any) -> int:
        writing.write(*arguments)
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(collecting, "write", write_and_fail)
        collect()
    assert not Notice.objects.exists()

    collect()
    assert Notice.objects.count() == 2


def test_more_events_than_a_batch_are_all_read(
    acme: Organization, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "BATCH", 3)
    channels.add(acme)

    assert len(collected(acme, 10)) == 10


def test_tenants_get_only_their_own(
    acme: Organization,
    globex: Organization,
    alice: User,
    charlie: User,
    inbox: Inbox,
    channels: Channels,
) -> None:
    for person in (alice, charlie):
        with_address(person)
    channels.add(acme)
    channels.add(globex)

    collected(acme)

    assert {one.organization for one in Notice.objects.all()} == {acme}
    assert receivers_of(list(Notice.objects.all())) == {"alice", "webhook"}


def test_members_of_a_closed_organization_get_nothing(
    acme: Organization, alice: User, inbox: Inbox
) -> None:
    with_address(alice)
    Organization.objects.update(is_active=False)

    assert collected(acme) == []


def test_only_the_first_notice_of_a_thread_opens_it(acme: Organization, channels: Channels) -> None:
    channels.add(acme)
    collected(acme)
    found = collected(acme)

    assert [one.opens_thread for one in found] == [True, False]


def test_a_choice_replaces_the_default(
    acme: Organization, alice: User, bob: User, inbox: Inbox
) -> None:
    for person, wants in ((alice, False), (bob, True)):
        with_address(person)
        own = membership_of(person)
        wanted = {(NoticeKind.DRILL_FAILED.value, "email"): wants}
        choose(own, actor=Actor.person(person), wanted=wanted)

    assert receivers_of(collected(acme)) == {"bob"}


def test_the_sixth_notice_within_ten_minutes_waits_for_a_digest(
    acme: Organization, alice: User, inbox: Inbox, channels: Channels
) -> None:
    with_address(alice)
    channels.add(acme)

    collected(acme, PER_WINDOW + 3)

    own = Notice.objects.filter(user=alice)
    assert own.filter(state=NoticeState.QUEUED).count() == PER_WINDOW
    assert own.filter(state=NoticeState.HELD).count() == 3
    # A program gets every one at once.
    assert Notice.objects.filter(user=None, state=NoticeState.QUEUED).count() == PER_WINDOW + 3

    release(later(minutes=11))

    digest = own.get(kind=DIGEST)
    assert digest.facts.count == 3
    assert set(own.filter(state=NoticeState.DIGESTED).values_list("digest", flat=True)) == {
        digest.pk
    }
    assert digest.state == NoticeState.QUEUED


def test_quiet_hours_hold_all_but_the_kinds_without_delay(
    acme: Organization, alice: User, inbox: Inbox
) -> None:
    with_address(alice)
    now = timezone.now()
    quiet = ((now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time())
    set_quiet_hours(membership_of(alice), actor=Actor.person(alice), quiet=quiet)

    [held] = collected(acme)

    assert held.state == NoticeState.HELD
    assert held.next_try_at is not None
    assert now < held.next_try_at < now + timedelta(hours=2)
    release(later(minutes=30))
    assert Notice.objects.get().state == NoticeState.HELD
    release(later(hours=2))
    assert Notice.objects.get().state == NoticeState.QUEUED


def test_quiet_hours_that_began_meanwhile_hold_a_digest(
    acme: Organization, alice: User, inbox: Inbox
) -> None:
    with_address(alice)
    collected(acme, PER_WINDOW + 2)
    due = later(minutes=11)
    quiet = ((due - timedelta(minutes=5)).time(), (due + timedelta(hours=1)).time())
    set_quiet_hours(membership_of(alice), actor=Actor.person(alice), quiet=quiet)

    release(due)

    held = Notice.objects.filter(state=NoticeState.HELD)
    assert held.count() == 2
    assert all(one.next_try_at and one.next_try_at > due for one in held)


def test_old_notices_are_deleted(acme: Organization, channels: Channels) -> None:
    channels.add(acme)
    collected(acme, 2)
    [old, _] = Notice.objects.order_by("pk")
    Notice.objects.filter(pk=old.pk).update(created_at=later(days=-91))

    prune(timezone.now())

    assert old not in Notice.objects.all()
    assert Notice.objects.count() == 1


def test_an_organization_keeps_a_bounded_number(
    acme: Organization, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.notifications.services.prune.MAX_NOTICES", 2)
    channels.add(acme)
    newest = collected(acme, 5)[-2:]

    prune(timezone.now())

    assert list(Notice.objects.order_by("pk")) == newest


def test_those_who_read_that_a_provider_was_away_learn_that_it_is_back(
    acme: Organization, acme_northgate: Subscription, channels: Channels
) -> None:
    channels.add(acme)
    is_back(acme_northgate)
    collect()
    # The portal restarted, and no one got a notice.
    is_back(acme_northgate)
    collect()
    assert not Notice.objects.exists()

    away_for = {"session_state": SessionState.DOWN, "session_since": later(minutes=-6)}
    Subscription.objects.filter(pk=acme_northgate.pk).update(**away_for)
    look(timezone.now())
    is_back(acme_northgate)
    collect()

    told = Notice.objects.order_by("pk")
    assert [(one.kind, one.severity) for one in told] == [
        (NoticeKind.SESSION_DOWN, Severity.WARNING),
        (NoticeKind.SESSION_DOWN, Severity.RESOLVED),
    ]


def test_sessions_that_are_back_cost_the_same_for_all_organizations_as_for_one(
    northgate: Provider, channels: Channels
) -> None:
    own = [
        SubscriptionFactory.create(organization=one, provider=northgate)
        for one in OrganizationFactory.create_batch(10)
    ]
    for one in own:
        channels.add(one.organization)
        is_back(one)
    collect()
    is_back(own[0])
    with CaptureQueriesContext(connection) as of_one:
        collect()
    for one in own:
        is_back(one)
    with CaptureQueriesContext(connection) as of_all:
        collect()

    assert len(of_all) == len(of_one)
    assert behind(CONSUMER) == []


def is_back(subscription: Subscription) -> None:
    append_event(
        organization_id=subscription.organization_id,
        type=EventType.SESSION_UP,
        at=timezone.now(),
        data={"subscription": str(subscription.pk), "state": SessionState.UP.value},
    )


def test_quiet_hours_need_a_length(acme: Organization, alice: User) -> None:
    with pytest.raises(Invalid):
        set_quiet_hours(membership_of(alice), actor=Actor.person(alice), quiet=(time(7), time(7)))

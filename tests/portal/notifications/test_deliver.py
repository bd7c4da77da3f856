"""A notice reaches its receiver: once, in order, or it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.notifications.message import Outcome, ReceiverAnswer
from portal.notifications.models import Notice, NoticeState
from portal.notifications.retries import GIVE_UP_AFTER, MAX_TRIES
from portal.notifications.services import deliver as delivering
from portal.notifications.services.deliver import CLAIMED_FOR, deliver
from portal.organizations.models import Membership, Organization
from tests.portal.notifications.conftest import (
    Channels,
    Inbox,
    collected,
    failed_drill,
    later,
    with_address,
)

pytestmark = pytest.mark.sqlite
DOWN = ReceiverAnswer(Outcome.RETRY, "no connection")


class KilledError(BaseException):
    """The process ends: nothing after this runs, and nothing catches it."""


def at(moment: datetime) -> int:
    return deliver(clock=lambda: moment)


def test_a_notice_is_delivered_and_its_answer_saved(acme: Organization, channels: Channels) -> None:
    webhook = channels.add(acme)
    [notice] = collected(acme)

    deliver()

    [message] = webhook.messages.values()
    assert message.id == notice.message_id
    assert (message.opens_thread, message.kind) == (True, "drill.failed")
    assert message.event["type"] == "drill.ended"
    saved = Notice.objects.get()
    assert (saved.state, saved.answer, saved.tries) == (NoticeState.SENT, "OK", 1)
    assert saved.next_try_at is None


def test_a_failed_try_is_repeated_with_the_same_id(acme: Organization, channels: Channels) -> None:
    webhook = channels.add(acme)
    webhook.answers = [DOWN, DOWN]
    collected(acme)

    at(timezone.now())
    failed = Notice.objects.get()
    at(later(minutes=1))
    at(later(minutes=10))

    assert (failed.state, failed.answer) == (NoticeState.FAILED, "no connection")
    assert len(webhook.tries) == 3
    assert len({one.id for one in webhook.tries}) == 1
    assert Notice.objects.get().state == NoticeState.SENT


def test_a_notice_is_given_up_after_a_bounded_number_of_tries(
    acme: Organization, channels: Channels
) -> None:
    webhook = channels.add(acme)
    webhook.answers = [DOWN] * (MAX_TRIES + 5)
    collected(acme)

    for hour in range(0, 40, 4):
        at(later(hours=hour / 2))

    assert len(webhook.tries) == MAX_TRIES
    assert Notice.objects.get().state == NoticeState.DEAD


def test_an_old_notice_is_not_repeated(acme: Organization, channels: Channels) -> None:
    webhook = channels.add(acme)
    webhook.answers = [DOWN]
    collected(acme)
    Notice.objects.update(created_at=timezone.now() - GIVE_UP_AFTER - timedelta(seconds=1))

    deliver()

    assert Notice.objects.get().state == NoticeState.DEAD


def test_the_wish_of_a_receiver_for_a_longer_pause_is_honoured(
    acme: Organization, channels: Channels
) -> None:
    webhook = channels.add(acme)
    webhook.answers = [ReceiverAnswer(Outcome.RETRY, "busy", retry_after_s=600)]
    collected(acme)

    deliver()

    due = Notice.objects.get().next_try_at
    assert due is not None
    assert due > later(minutes=9)


def test_a_refused_notice_is_not_repeated_and_the_next_one_is_sent(
    acme: Organization, channels: Channels
) -> None:
    webhook = channels.add(acme)
    webhook.answers = [ReceiverAnswer(Outcome.REFUSED, "no such field")]
    collected(acme, 2)

    deliver()

    assert list(Notice.objects.order_by("pk").values_list("state", flat=True)) == [
        NoticeState.DEAD,
        NoticeState.SENT,
    ]


def test_a_channel_that_is_gone_is_switched_off_and_gets_nothing_more(
    acme: Organization, channels: Channels
) -> None:
    webhook = channels.add(acme)
    webhook.answers = [ReceiverAnswer(Outcome.GONE, "410")]
    collected(acme, 3)

    deliver()
    collected(acme, 2)

    assert len(webhook.tries) == 1
    assert set(Notice.objects.values_list("state", flat=True)) == {NoticeState.DEAD}
    assert Notice.objects.count() == 3


def test_the_end_of_a_thread_never_arrives_before_its_beginning(
    acme: Organization, channels: Channels
) -> None:
    webhook = channels.add(acme)
    webhook.answers = [DOWN]
    failed_drill(acme, 7)
    failed_drill(acme, 7)
    collected(acme, 0)
    first, second = Notice.objects.order_by("pk")

    at(timezone.now())
    Notice.objects.filter(pk=second.pk).update(next_try_at=timezone.now())
    at(later(seconds=1))
    assert not webhook.messages

    at(later(minutes=2))
    assert list(webhook.messages) == [first.message_id, second.message_id]


def test_a_receiver_that_is_down_keeps_back_only_its_own_notices(
    acme: Organization, globex: Organization, channels: Channels
) -> None:
    down, up = channels.add(acme), channels.add(globex)
    down.answers = [DOWN] * 100
    collected(acme, 30)
    collected(globex, 3)

    deliver()

    # One try showed that it is down; the others were not tried.
    assert len(down.tries) == 1
    assert len(up.messages) == 3


def test_receivers_take_turns(
    acme: Organization,
    globex: Organization,
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivering, "BATCH", 5)
    order: list[str] = []
    many, few = channels.add(acme), channels.add(globex)
    many.before_answer = lambda: order.append("many")
    few.before_answer = lambda: order.append("few")
    collected(acme, 20)
    collected(globex)

    while deliver():
        pass

    assert order.index("few") < 2
    assert len(many.messages) == 20


def test_a_channel_that_raises_stops_no_other(
    acme: Organization, globex: Organization, channels: Channels
) -> None:
    broken, whole = channels.add(acme), channels.add(globex)

    def fail() -> None:
        raise RuntimeError

    broken.before_answer = fail
    collected(acme)
    collected(globex)

    deliver()

    assert len(whole.messages) == 1
    [failed] = Notice.objects.filter(organization=acme)
    assert (failed.state, failed.answer) == (
        NoticeState.FAILED,
        "The portal failed; its log says how.",
    )


def test_a_channel_that_cannot_record_the_answer_gets_the_notice_once(
    acme: Organization, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = channels.add(acme)
    collected(acme)

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(delivering, "tell_answer", fail)
    deliver()
    at(later(minutes=5))

    assert len(webhook.tries) == 1
    assert Notice.objects.get().state == NoticeState.SENT


STEPS = ["_claim", "_begin_try", "_ask", "_next_state", "tell_answer", "_save"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_worker_that_dies_at_any_step_loses_and_doubles_nothing(
    acme: Organization,
    channels: Channels,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    is_after: bool,
) -> None:
    """Not doubled for a receiver that drops a message whose id it has."""
    webhook = channels.add(acme)
    collected(acme, 3)
    real = getattr(delivering, step)

    def dies(*arguments: object, **named: object) -> object:
        if is_after:
            real(*arguments, **named)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(delivering, step, dies)
        with pytest.raises(KilledError):
            deliver()
    at(timezone.now() + CLAIMED_FOR + timedelta(seconds=1))

    ids = list(Notice.objects.order_by("pk").values_list("message_id", flat=True))
    assert sorted(webhook.messages) == sorted(ids)
    assert set(Notice.objects.values_list("state", flat=True)) == {NoticeState.SENT}


def test_a_notice_that_ends_every_worker_is_given_up(
    acme: Organization, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels.add(acme)
    collected(acme)

    def dies(_: Notice) -> ReceiverAnswer:
        raise KilledError

    monkeypatch.setattr(delivering, "_ask", dies)
    for minute in range(MAX_TRIES):
        with pytest.raises(KilledError):
            at(later(minutes=2 * minute))
    at(later(minutes=60))

    [notice] = Notice.objects.all()
    assert (notice.state, notice.answer) == (NoticeState.DEAD, "No answer was saved.")


def test_a_worker_whose_claim_ended_changes_nothing(acme: Organization, channels: Channels) -> None:
    """It hung; another worker sent the notice meanwhile."""
    webhook = channels.add(acme)
    collected(acme)

    def another_worker() -> None:
        webhook.before_answer = lambda: None
        at(timezone.now() + CLAIMED_FOR + timedelta(seconds=1))

    webhook.before_answer = another_worker
    webhook.answers = [
        ReceiverAnswer(Outcome.SENT, "first"),
        ReceiverAnswer(Outcome.SENT, "second"),
    ]

    deliver()

    assert Notice.objects.get().answer == "second"
    assert len(webhook.messages) == 1


@pytest.fixture
def mail_to_alice(acme: Organization, alice: User, inbox: Inbox) -> Inbox:
    with_address(alice)
    collected(acme)
    return inbox


def test_a_person_who_has_left_gets_nothing_more(mail_to_alice: Inbox, alice: User) -> None:
    Membership.objects.filter(user=alice).delete()

    deliver()

    assert not mail_to_alice.mails
    [notice] = Notice.objects.all()
    assert (notice.state, notice.answer) == (
        NoticeState.DEAD,
        "The receiver takes no more notices.",
    )


def test_a_person_who_is_locked_out_gets_nothing_more(mail_to_alice: Inbox, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)

    deliver()

    assert not mail_to_alice.mails


def test_a_new_address_gets_what_was_queued_before(mail_to_alice: Inbox, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="new@example.com")

    deliver()

    assert mail_to_alice.to == ["new@example.com"]

"""Each try through a channel is logged, and a receiver that is gone gets nothing more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core.errors import Throttled
from portal.notifications.channels import queries
from portal.notifications.channels.models import NoticeChannel, NoticeDelivery
from portal.notifications.channels.services import send_test as tests
from portal.notifications.channels.services.change import ChannelDraft, change_channel
from portal.notifications.channels.services.deliver import (
    MAX_DELIVERIES,
    deliver,
    is_wanted,
    record_delivery,
)
from portal.notifications.message import NoticeMessage, Outcome, ReceiverAnswer, Severity
from portal.organizations.models import Organization
from tests.portal.notifications.channels.conftest import END, MESSAGE, AddWebhook
from tests.portal.notifications.channels.http_receiver import HttpReceiver

PAGE = "https://portal.example/organizations/acme/settings/notices/1"


def fresh(channel: NoticeChannel) -> NoticeChannel:
    return NoticeChannel.objects.get(pk=channel.pk)


def test_each_try_is_logged_with_the_receivers_answer(
    add_webhook: AddWebhook, receiver: HttpReceiver, acme: Organization
) -> None:
    channel = add_webhook(receiver.url)
    receiver.status, receiver.body = 503, b"come back later"
    deliver(channel, MESSAGE)
    failing = fresh(channel)
    receiver.status, receiver.body = 200, b"thanks"
    deliver(channel, MESSAGE)

    assert (failing.failures, failing.last_success_at) == (1, None)
    assert failing.last_answer == "HTTP 503 come back later"
    shown = fresh(channel)
    assert (shown.failures, shown.last_answer) == (0, "HTTP 200 thanks")
    log = queries.deliveries(channel)
    assert [(one.outcome, one.answer) for one in log] == [
        ("sent", "HTTP 200 thanks"),
        ("retry", "HTTP 503 come back later"),
    ]
    assert {one.message_id for one in log} == {MESSAGE.id}
    assert queries.channels(acme).get().is_failing is False


def test_a_receiver_that_is_gone_switches_its_channel_off(
    add_webhook: AddWebhook, receiver: HttpReceiver, alice: User
) -> None:
    channel = add_webhook(receiver.url)
    receiver.status, receiver.body = 410, b"no longer here"

    answer = deliver(channel, MESSAGE)

    off = fresh(channel)
    assert answer.outcome is Outcome.GONE
    assert (off.is_enabled, off.off_because) == (False, "gone")
    assert not is_wanted(off, MESSAGE.kind, MESSAGE.severity)
    entry = AuditEntry.objects.get(verb="notice_channel.changed")
    assert (entry.actor_kind, (entry.after or {})["off_because"]) == ("portal", "gone")
    on = change_channel(channel=off, actor=Actor.person(alice), draft=ChannelDraft(is_enabled=True))
    assert (on.is_enabled, on.off_because) == (True, "")


def test_the_log_of_a_channel_is_bounded(add_webhook: AddWebhook) -> None:
    channel, other = (
        add_webhook("https://example.com/"),
        add_webhook("https://example.com/", name="Other"),
    )
    record_delivery(other, MESSAGE, ReceiverAnswer(Outcome.SENT, "kept"), now=timezone.now())
    NoticeDelivery.objects.bulk_create(
        NoticeDelivery(
            channel=channel,
            at=MESSAGE.occurred_at,
            message_id=MESSAGE.id,
            kind=MESSAGE.kind,
            severity=MESSAGE.severity,
            title=str(number),
            outcome=Outcome.SENT,
        )
        for number in range(MAX_DELIVERIES)
    )

    record_delivery(channel, MESSAGE, ReceiverAnswer(Outcome.SENT, "newest"), now=timezone.now())

    log = list(queries.deliveries(channel))
    assert len(log) == MAX_DELIVERIES
    assert log[0].answer == "newest"
    assert "0" not in {one.title for one in log}
    assert queries.deliveries(other).count() == 1


def test_a_delivery_of_a_removed_channel_is_dropped(add_webhook: AddWebhook) -> None:
    channel = add_webhook("https://example.com/")
    NoticeChannel.objects.all().delete()

    record_delivery(channel, MESSAGE, ReceiverAnswer(Outcome.SENT, ""), now=timezone.now())

    assert not NoticeDelivery.objects.exists()


@pytest.mark.parametrize(
    ("least", "kinds", "message", "wanted"),
    [
        ("info", (), MESSAGE, True),
        ("critical", (), MESSAGE, True),
        ("critical", (), replace(MESSAGE, severity=Severity.WARNING), False),
        ("warning", (), replace(MESSAGE, severity=Severity.WARNING), True),
        ("warning", (), replace(MESSAGE, severity=Severity.INFO), False),
        ("critical", (), END, True),
        ("info", ("request.not_reached",), MESSAGE, True),
        ("info", ("request.sent",), MESSAGE, False),
    ],
)
def test_a_channel_gets_what_it_asks_for(
    add_webhook: AddWebhook,
    least: str,
    kinds: tuple[str, ...],
    message: NoticeMessage,
    *,
    wanted: bool,
) -> None:
    channel = add_webhook("https://example.com/", min_severity=least, notice_kinds=kinds)

    assert is_wanted(channel, message.kind, message.severity) is wanted


def test_a_test_sends_a_real_message_and_ends_what_it_opened(
    add_webhook: AddWebhook, receiver: HttpReceiver, alice: User
) -> None:
    channel = add_webhook(receiver.url)

    answer = tests.send_test(channel=channel, actor=Actor.person(alice), url=PAGE)

    assert answer == ReceiverAnswer(Outcome.SENT, "HTTP 200 ok")
    opened, ended = (one.json["data"] for one in receiver.got)
    assert opened["thread"] == ended["thread"]
    assert (opened["opens_thread"], ended["closes_thread"]) == (True, True)
    assert opened["url"] == PAGE
    assert all(one.is_test for one in queries.deliveries(channel))
    assert AuditEntry.objects.filter(verb="notice_channel.tested").count() == 1


def test_a_test_shows_the_failure_and_sends_no_end(
    add_webhook: AddWebhook, receiver: HttpReceiver, alice: User
) -> None:
    receiver.status, receiver.body = 403, b"who are you?"

    answer = tests.send_test(channel=add_webhook(receiver.url), actor=Actor.person(alice), url=PAGE)

    assert (answer.outcome, answer.text) == (Outcome.REFUSED, "HTTP 403 who are you?")
    assert len(receiver.got) == 1


def test_so_many_tests_run_at_once_and_no_more(add_webhook: AddWebhook, alice: User) -> None:
    channel = add_webhook("https://example.com/")
    running = [tests._tests.acquire(blocking=False) for _ in range(tests.MAX_TESTS_AT_ONCE)]
    try:
        with pytest.raises(Throttled):
            tests.send_test(channel=channel, actor=Actor.person(alice), url=PAGE)
    finally:
        for _ in running:
            tests._tests.release()


def test_an_organization_tests_its_channels_so_often_and_no_more(
    add_webhook: AddWebhook, receiver: HttpReceiver, alice: User
) -> None:
    channel = add_webhook(receiver.url)
    for _ in range(tests.TESTS.tries):
        tests.send_test(channel=channel, actor=Actor.person(alice), url=PAGE)

    with pytest.raises(Throttled):
        tests.send_test(channel=channel, actor=Actor.person(alice), url=PAGE)


def test_a_secret_that_no_key_fits_is_an_answer(add_webhook: AddWebhook) -> None:
    channel = add_webhook("https://example.com/")
    NoticeChannel.objects.update(secrets=b"of another key")

    answer = deliver(fresh(channel), MESSAGE)

    assert (answer.outcome, answer.text) == (
        Outcome.RETRY,
        "The portal cannot decrypt the channel’s secrets.",
    )

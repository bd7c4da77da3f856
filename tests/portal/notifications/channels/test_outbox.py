"""Notices of the outbox reach the channels of their organization, and no others."""

from __future__ import annotations

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.notifications.channels import queries
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.services.change import ChannelDraft, change_channel
from portal.notifications.models import Notice, NoticeState
from portal.notifications.services.collect import collect
from portal.notifications.services.deliver import deliver
from portal.organizations.models import Organization
from tests.portal.notifications.channels.conftest import AddWebhook
from tests.portal.notifications.channels.http_receiver import HttpReceiver
from tests.portal.notifications.conftest import collected, failed_drill, later


def test_a_notice_is_sent_signed_and_logged(
    add_webhook: AddWebhook, receiver: HttpReceiver, acme: Organization
) -> None:
    channel = add_webhook(receiver.url)
    [notice] = collected(acme)

    deliver()

    assert receiver.only.headers["webhook-id"] == str(notice.message_id)
    assert receiver.only.json["data"]["event"]["type"] == "drill.ended"
    [line] = queries.deliveries(channel)
    assert (line.message_id, line.outcome, line.is_test) == (notice.message_id, "sent", False)
    assert line.title == receiver.only.json["data"]["title"]


def test_a_notice_of_another_organization_is_not_sent(
    add_webhook: AddWebhook, receiver: HttpReceiver, globex: Organization
) -> None:
    add_webhook(receiver.url)
    failed_drill(globex)
    collect()

    deliver()

    assert receiver.got == []


def test_a_busy_receiver_gets_the_same_notice_later(
    add_webhook: AddWebhook, receiver: HttpReceiver, acme: Organization
) -> None:
    channel = add_webhook(receiver.url)
    collected(acme)
    receiver.status, receiver.headers = 429, {"Retry-After": "600"}
    deliver()
    receiver.status, receiver.headers = 200, {}
    deliver(clock=lambda: later(minutes=9))
    assert len(receiver.got) == 1

    deliver(clock=lambda: later(minutes=30))

    assert [one.headers["webhook-id"] for one in receiver.got] == [
        str(Notice.objects.get().message_id)
    ] * 2
    assert [one.outcome for one in queries.deliveries(channel)] == ["sent", "retry"]


def test_a_receiver_that_is_gone_gets_nothing_more(
    add_webhook: AddWebhook, receiver: HttpReceiver, acme: Organization
) -> None:
    add_webhook(receiver.url)
    collected(acme, 3)
    receiver.status = 410

    deliver()
    deliver(clock=lambda: later(hours=1))

    assert len(receiver.got) == 1
    assert not NoticeChannel.objects.get().is_enabled
    assert set(Notice.objects.values_list("state", flat=True)) == {NoticeState.DEAD}


def test_a_channel_that_is_switched_off_gets_and_logs_nothing(
    add_webhook: AddWebhook, receiver: HttpReceiver, acme: Organization, alice: User
) -> None:
    channel = add_webhook(receiver.url)
    collected(acme)
    draft = ChannelDraft(is_enabled=False)
    change_channel(channel=channel, actor=Actor.person(alice), draft=draft)

    deliver()

    assert receiver.got == []
    assert not queries.deliveries(channel).exists()

"""Send a real message through a channel because a person wants to see the receiver's answer."""

from __future__ import annotations

from dataclasses import replace
from threading import BoundedSemaphore
from typing import Final
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import Throttled
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.services.deliver import deliver
from portal.notifications.message import NoticeMessage, Outcome, ReceiverAnswer, Severity
from portal.organizations.access import require_current_role
from portal.organizations.models import Role

MAX_TESTS_AT_ONCE: Final = 4
"""In one web process: receivers that hang must not take all threads."""
TESTS: Final = throttle.Limit(
    name="channel-tests",
    tries=30,
    window_s=3600,
    message="Your organization has tested its channels 30 times within an hour.",
)
TEST_KIND: Final = "test"
_tests = BoundedSemaphore(MAX_TESTS_AT_ONCE)


def send_test(*, channel: NoticeChannel, actor: Actor, url: str) -> ReceiverAnswer:
    """The receiver's answer. `url`: of the channel's page, absolute. The test ends what it opened,
    so that it leaves no open alarm behind. Throttled after too many.
    """
    with transaction.atomic():
        require_current_role(channel.organization_id, actor, Role.ADMIN)
        throttle.count(TESTS, str(channel.organization_id))
        record_row(Verb.NOTICE_CHANNEL_TESTED, channel, actor)
    if not _tests.acquire(blocking=False):
        raise Throttled(
            "Other tests wait for their receivers. Try again in 10 s.", retry_after_s=10
        )
    try:
        message = _message(channel, url)
        answer = deliver(channel, message, is_test=True)
        if answer.outcome is Outcome.SENT:
            answer = deliver(channel, _end_of(message), is_test=True)
        return answer
    finally:
        _tests.release()


def _message(channel: NoticeChannel, url: str) -> NoticeMessage:
    sent = uuid4()
    return NoticeMessage(
        id=sent,
        thread=f"test-{sent}",
        opens_thread=True,
        closes_thread=False,
        kind=TEST_KIND,
        severity=Severity.INFO,
        title="Test of the mitigation portal",
        text=f"This is a test of the channel {channel.name}. Nothing has happened.",
        url=url,
        occurred_at=timezone.now(),
        event={},
    )


def _end_of(message: NoticeMessage) -> NoticeMessage:
    return replace(
        message,
        id=uuid4(),
        opens_thread=False,
        closes_thread=True,
        severity=Severity.RESOLVED,
        title="End of the test of the mitigation portal",
        text="The test is over. Nothing has happened.",
    )

"""Ask for a test of a connection, and write what the signal worker found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.connections.models import ConnectionTest
from portal.connections.services.keys import switch_identity, waiting_key
from portal.connections.steps import ConnectionResult, ConnectionStep
from portal.core.errors import Conflict, NotFound, Throttled
from portal.organizations.access import require_current_role
from portal.organizations.models import Role
from portal.providers.models import Subscription

MAX_TESTS_PER_HOUR: Final = 30
"""Of one organization: a test opens sessions with its provider."""
MAX_TESTS_KEPT: Final = 5
"""Of one subscription."""
LOST_AFTER: Final = timedelta(seconds=120)
"""A test without a result by then was lost with its worker, or no worker was there."""
MAX_TAKEN: Final = 4
"""That one worker makes at the same time."""


@transaction.atomic
def ask_test(*, subscription: Subscription, actor: Actor) -> ConnectionTest:
    """Begin a test, or return the one that runs.

    It tries the key that waits, if there is a signed one. If that works, the portal switches to it.
    Throttled after too many.
    """
    require_current_role(subscription.organization_id, actor, Role.ADMIN)
    now = timezone.now()
    own = ConnectionTest.objects.filter(subscription=subscription)
    running = own.filter(ended_at__isnull=True).first()
    if running is not None:
        if now - running.asked_at < LOST_AFTER:
            return running
        own.filter(pk=running.pk).update(ended_at=now, result=ConnectionResult.LOST)
    if Subscription.objects.get(pk=subscription.pk).is_disconnected:
        raise Conflict("This provider is disconnected. Connect it first.", code="disconnected")
    _throttle(subscription, now)
    kept = list(own.values_list("pk", flat=True)[: MAX_TESTS_KEPT - 1])
    own.exclude(pk__in=kept).delete()
    waiting = waiting_key(subscription.organization, subscription.provider)
    key = waiting if waiting is not None and waiting.is_signed else None
    record_entry(
        Verb.CONNECTION_TEST_ASKED,
        actor=actor,
        organization_id=subscription.organization_id,
        about=Object("provider", subscription.pk, subscription.provider.short_name),
        after={"new_certificate": key is not None},
    )
    return ConnectionTest.objects.create(
        subscription=subscription,
        client_key=key,
        is_of_new_key=key is not None,
        asked_at=now,
        asked_by=actor.user,
    )


def _throttle(subscription: Subscription, now: datetime) -> None:
    since = now - timedelta(hours=1)
    recent = ConnectionTest.objects.filter(
        subscription__organization=subscription.organization_id, asked_at__gt=since
    ).order_by("asked_at")
    times = list(recent.values_list("asked_at", flat=True)[:MAX_TESTS_PER_HOUR])
    if len(times) >= MAX_TESTS_PER_HOUR:
        wait_s = max(1, int((times[0] - since).total_seconds()))
        raise Throttled(
            f"{subscription.organization} has tested its connections {MAX_TESTS_PER_HOUR} times "
            f"within an hour. Try again in {wait_s // 60 + 1} min.",
            retry_after_s=wait_s,
        )


def take_due_tests(now: datetime, *, at_most: int) -> list[ConnectionTest]:
    """The oldest tests that wait, for the worker that calls this; no other worker gets them."""
    due = ConnectionTest.objects.filter(
        started_at__isnull=True, ended_at__isnull=True, asked_at__gt=now - LOST_AFTER
    ).order_by("asked_at")
    taken = []
    for test in due[:at_most]:
        # Another worker may take it at the same time; one of them changes the row.
        own = ConnectionTest.objects.filter(pk=test.pk, started_at__isnull=True)
        if own.update(started_at=now):
            taken.append(test)
    return taken


def save_steps(test: ConnectionTest, steps: Sequence[ConnectionStep]) -> None:
    """What is known so far, for the page."""
    test.steps = tuple(steps)
    ConnectionTest.objects.filter(pk=test.pk, ended_at__isnull=True).update(steps=test.steps)


def end_test(
    test: ConnectionTest, steps: Sequence[ConnectionStep], result: ConnectionResult, now: datetime
) -> None:
    """Write the result. If the key that waits has passed, use it from now on."""
    with transaction.atomic():
        own = ConnectionTest.objects.filter(pk=test.pk, ended_at__isnull=True)
        if not own.update(ended_at=now, result=result, steps=tuple(steps)):
            return
        if test.is_of_new_key and test.client_key_id and result == ConnectionResult.PASSED:
            _switch(test)


def _switch(test: ConnectionTest) -> None:
    subscription = Subscription.objects.select_related("organization", "provider").get(
        pk=test.subscription_id
    )
    try:
        with transaction.atomic():
            switch_identity(
                subscription=subscription, key_id=test.client_key_id, actor=Actor.portal()
            )
    except NotFound:
        return  # discarded or replaced while it was tried

"""Send wake-ups: tell the signal workers that rows of a subscription changed.

A lost wake-up only causes a short delay, since each worker's sweep finds the rows too.
"""

from __future__ import annotations

import logging
from functools import partial
from time import monotonic
from uuid import UUID

from django.db import transaction
from kombu.exceptions import OperationalError

from portal.celery import app
from portal.core.cooldown import Cooldown

logger = logging.getLogger(__name__)

RECONCILE_TASK = "portal.signaling.tasks.reconcile"
WAKE_EXPIRES_S = 30
HUNG_AFTER_S = 0.5
"""A broker that refuses does so immediately, but one that hangs delays every caller by its
timeout.
"""

broker_cooldown = Cooldown(pause_s=2.0)


def wake_on_commit(subscription_id: UUID) -> None:
    """Send a wake-up after the commit. A failure does not affect the committed rows."""
    transaction.on_commit(partial(_wake, subscription_id), robust=True)


def _wake(subscription_id: UUID) -> None:
    if broker_cooldown.is_active:
        return
    started = monotonic()
    try:
        app.send_task(
            RECONCILE_TASK, args=[str(subscription_id)], queue="signal", expires=WAKE_EXPIRES_S
        )
    except OperationalError as error:
        logger.warning("no wake-up for subscription %s: %s", subscription_id, error)
        if monotonic() - started >= HUNG_AFTER_S:
            broker_cooldown.start()

"""Wake-ups for the signal worker, and its deadlines for the days when no signal worker runs."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from celery import shared_task

from portal.core.wake import WAKE_EXPIRES_S
from portal.mitigations import services
from portal.signaling import clock, leases, worker
from portal.signaling.agent import HELD_ELSEWHERE

MAX_RELAYS: Final = 8
"""So often a wake-up is put back for the worker that holds the session; after that the sweep of that worker does."""


@shared_task
def reconcile(subscription_id: str, relays: int = 0) -> str:
    """Have the agent that holds a subscription look at its rows; put back what another worker holds."""
    agent = worker.agent
    found = HELD_ELSEWHERE if agent is None else agent.wake(UUID(subscription_id))
    if found == HELD_ELSEWHERE and relays < MAX_RELAYS:
        reconcile.apply_async(
            args=(subscription_id, relays + 1), queue="signal", expires=WAKE_EXPIRES_S
        )
    return found


@shared_task
def sweep_deadlines() -> None:
    """What the rows must say even when no signal worker lives to say it."""
    now = clock.ask()
    services.mark_overdue(now=now)
    services.mark_expired(now=now)
    leases.mark_orphans(now=now)

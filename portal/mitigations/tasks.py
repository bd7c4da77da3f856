from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.mitigations import services


@shared_task
def terminate_redundant() -> None:
    """End requests that newer ones cover and filter completely."""
    services.terminate_redundant(now=timezone.now())


@shared_task
def expire_approvals() -> None:
    """End requests that no one approved in time."""
    services.expire_approvals(now=timezone.now())


@shared_task
def end_taken_over() -> None:
    """The task name that the scheduler of release 0.1.0 sends; remove it after the next release."""
    terminate_redundant()


@shared_task
def prune() -> None:
    services.downsample_counters(now=timezone.now())

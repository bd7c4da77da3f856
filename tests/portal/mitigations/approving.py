"""Requests that need approval, and what becomes of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, RequestApproval
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization

PREFIX = "203.0.113.0/27"


def rule(organization: Organization, **changed: Any) -> None:
    Organization.objects.filter(pk=organization.pk).update(**changed)
    organization.refresh_from_db()


def submit(
    organization: Organization, user: User | Actor, prefix: str = PREFIX, **more: Any
) -> MitigationRequest:
    return services.submit(
        organization=organization,
        actor=user if isinstance(user, Actor) else Actor.person(user),
        submission=Submission(prefixes=(prefix,), **more),
    )


def approve(request: MitigationRequest, user: User, seen: str = "") -> MitigationRequest:
    return services.approve(request_id=request.pk, actor=Actor.person(user), seen=seen)


def status(request: MitigationRequest) -> str:
    return MitigationRequest.objects.get(pk=request.pk).status


def outcome(request: MitigationRequest) -> str:
    return RequestApproval.objects.get(pk=request.pk).outcome


def expire(request: MitigationRequest) -> None:
    past = timezone.now() - timedelta(seconds=1)
    RequestApproval.objects.filter(pk=request.pk).update(expires_at=past)

"""The status of each mitigation of a request."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger

NOW = timezone.now()


def mitigations_of(request: MitigationRequest) -> list[Mitigation]:
    return list(
        request.mitigations.select_related("subscription__provider").order_by("position", "mid")
    )


def names(request: MitigationRequest) -> list[str]:
    return [mitigation.subscription.provider.short_name for mitigation in request.mitigations.all()]


def status_of(request: MitigationRequest) -> str:
    return MitigationRequest.objects.get(pk=request.pk).status


def sent(mitigation: Mitigation) -> None:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)


def confirm(mitigation: Mitigation, now: datetime = NOW) -> None:
    sent(mitigation)
    services.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=now, now=now)


def report(mitigation: Mitigation, trigger: Trigger, now: datetime = NOW) -> None:
    services.record_report(
        mitigation_id=mitigation.pk,
        report=ProviderReport(dots_status=None, trigger=trigger),
        now=now,
    )


def refuse(mitigation: Mitigation, *, retry_after_s: int | None = None) -> None:
    conflict = None if retry_after_s is None else ProviderConflict(retry_after=retry_after_s)
    services.record_refused(
        mitigation_id=mitigation.pk,
        code="4.09",
        reason="",
        conflict=conflict,
        retry_after_s=retry_after_s,
        now=timezone.now(),
    )

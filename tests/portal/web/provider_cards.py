"""A request's page, and the states its provider cards are brought to."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils import timezone

from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from tests.conftest import ClientOf
from tests.portal.web.conftest import mitigations_of, sent


def page_of(client_of: ClientOf, user: User, request: MitigationRequest) -> str:
    page = client_of(user).get(request.get_absolute_url()).content.decode()
    return re.sub(r"\s+", " ", page.replace("\u00a0", " "))


def refuse(one: Mitigation, **facts: object) -> None:
    services.record_refused(
        mitigation_id=one.pk,
        code="4.09",
        reason="",
        now=timezone.now(),
        **facts,  # type: ignore[arg-type]  # the test names fields
    )


def silent(request: MitigationRequest) -> None:
    """The first provider was asked and is silent beyond the allowed time; the next one is asked."""
    first = mitigations_of(request)[0]
    sent(first, timezone.now() - timedelta(seconds=20))
    Mitigation.objects.filter(pk=first.pk).update(asked_at=timezone.now() - timedelta(seconds=20))
    services.mark_overdue(now=timezone.now())

"""What detectors report about the targets of a request, for its page."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.alerts.services.preview import reason_of
from portal.mitigations.models import MitigationRequest
from portal.wording import incidents as wording

MAX_SHOWN: Final = 10


def evidence_of(request: MitigationRequest, now: datetime) -> list[str]:
    """A sentence or two for each incident, newest first."""
    own = request.incidents.filter(organization=request.organization_id)
    incidents = own.order_by("-began_at", "-pk")[:MAX_SHOWN]
    return [wording.evidence(one, reason_of(one), now) for one in incidents]

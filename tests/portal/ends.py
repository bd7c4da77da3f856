"""The end of a request, in the form that each door accepts."""

from __future__ import annotations

from portal.mitigations.models import MitigationRequest
from portal.mitigations.services import SeenEnd
from portal.web.requests.ended import end_value


def end_of(request: MitigationRequest) -> SeenEnd:
    """The last end; for a live request, an invented one."""
    return SeenEnd(request.pk, _again(request).last_end_at)


def posted_end(request: MitigationRequest) -> str:
    """As a form posts it."""
    return end_value(_again(request))


def sent_end(request: MitigationRequest) -> dict[str, str]:
    """As a program sends it."""
    end = end_of(request)
    assert end.ended_at is not None
    return {"request": str(request.pk), "ended_at": end.ended_at.isoformat()}


def _again(request: MitigationRequest) -> MitigationRequest:
    return MitigationRequest.objects.get(pk=request.pk)

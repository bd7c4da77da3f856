"""The journal's page and file, for operators and admins."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.mitigations.access import request_for
from portal.organizations.models import Role
from portal.organizations.request_context import member_of
from portal.web.journal import download
from portal.web.journal import page as pages
from portal.web.rendering import render_page
from portal.wire import queries


@require_safe
def journal(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    mitigation_request = request_for(membership, request_id)
    page = pages.journal_page(membership, mitigation_request, timezone.now(), request.GET)
    return render_page(request, page)


@require_safe
def journal_file(request: HttpRequest, slug: str, request_id: UUID) -> StreamingHttpResponse:
    mitigation_request = request_for(member_of(request, slug, Role.OPERATOR), request_id)
    found = queries.messages(mitigation_request, pages.which_of(request.GET))
    return StreamingHttpResponse(
        download.lines(found),
        headers={
            "Content-Type": download.CONTENT_TYPE,
            "Content-Disposition": f'attachment; filename="wire-{mitigation_request.number}.jsonl"',
        },
    )

"""The page of the audit, its file, and who gets its head; for admins."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import actor_of
from portal.audit import export
from portal.core.errors import Invalid
from portal.organizations import audit_heads
from portal.organizations.models import Role
from portal.organizations.request_context import member_of
from portal.web.audit.page import AuditChoice, audit_page
from portal.web.rendering import render_page


@require_safe
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    return render_page(request, audit_page(membership, timezone.now(), request.GET))


@require_safe
def audit_file(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    wanted = AuditChoice.read(request.GET)
    audit_heads.record_export(membership.organization, actor_of(request), wanted.query())
    found = wanted.filter(timezone.now())
    return StreamingHttpResponse(
        export.lines(membership.organization_id, found, after=0),
        headers=export.headers(slug),
    )


@require_POST
def mail(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    typed = request.POST.get("mail_to", "")
    try:
        audit_heads.set_mail(membership.organization, typed, actor=actor_of(request))
    except Invalid as error:
        page = audit_page(
            membership, timezone.now(), request.GET, mail_to=typed, mail_error=error.message
        )
        return render_page(request, page, status=400)
    return redirect("audit:audit", slug)

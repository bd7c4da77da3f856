"""The page Alerts, and the decisions about its proposals."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import actor_of
from portal.alerts import queries
from portal.alerts.services.decide import confirm as confirm_proposal
from portal.alerts.services.decide import dismiss as dismiss_proposal
from portal.core.errors import Conflict, Invalid
from portal.organizations.models import Role
from portal.organizations.request_context import member_of
from portal.web.alerts.alerts_page import alerts_page
from portal.web.alerts.rejected_page import rejected_page
from portal.web.frame import frame
from portal.web.rendering import render_page


@require_safe
def alerts(request: HttpRequest, slug: str) -> HttpResponse:
    return render_page(request, alerts_page(frame(member_of(request, slug), timezone.now())))


@require_POST
def confirm(request: HttpRequest, slug: str, proposal_id: UUID) -> HttpResponse:
    """Submit what the person saw, and show the request; if it is refused, the page where it was
    seen says why.
    """
    membership = member_of(request, slug, Role.OPERATOR)
    found = queries.proposal_for(membership.organization, proposal_id)
    seen = request.POST.get("preview", "")
    try:
        made = confirm_proposal(proposal=found, actor=actor_of(request), seen=seen)
    except (Conflict, Invalid) as error:
        messages.warning(request, error.errors[0].message if error.errors else error.message)
        is_on_now = request.POST.get("back") == "now"
        return redirect("now:now" if is_on_now else "alerts:alerts", slug=slug)
    return redirect(f"{made.get_absolute_url()}#h")


@require_POST
def dismiss(request: HttpRequest, slug: str, proposal_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    found = queries.proposal_for(membership.organization, proposal_id)
    reason = request.POST.get("reason", "")
    try:
        dismiss_proposal(proposal=found, actor=actor_of(request), reason=reason)
    except Invalid as error:
        start = frame(membership, timezone.now())
        page = alerts_page(start, proposal=found, error=error.message, reason=reason)
        return render_page(request, page, status=error.http_status)
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("alerts:alerts", slug=slug)


@require_safe
def rejected(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    return render_page(request, rejected_page(frame(membership, timezone.now())))

"""The pages of approvals: parse, one access call, one service or query call, render."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import actor_of
from portal.accounts.actors import Actor
from portal.core.errors import Conflict, Invalid, NotAllowed
from portal.mitigations import services
from portal.mitigations.access import request_for
from portal.mitigations.approvals import PreviewChanged
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.approvals.page import approval_page, approvals_page
from portal.web.frame import frame
from portal.web.rendering import render_page


@require_safe
def approvals(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    return render_page(request, approvals_page(frame(membership, timezone.now())))


@require_safe
def approval(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    return _shown(request, membership, request_id)


@require_POST
def approve(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    seen = request.POST.get("preview", "")
    return _decide(
        request,
        member_of(request, slug, Role.APPROVER),
        request_id,
        lambda found, actor: services.approve(request_id=found, actor=actor, seen=seen),
    )


@require_POST
def decline(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    reason = request.POST.get("reason", "")
    return _decide(
        request,
        member_of(request, slug, Role.APPROVER),
        request_id,
        lambda found, actor: services.decline(request_id=found, actor=actor, reason=reason),
        form="decline",
    )


@require_POST
def break_glass(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    reason, seen = request.POST.get("reason", ""), request.POST.get("preview", "")
    return _decide(
        request,
        member_of(request, slug, Role.OPERATOR),
        request_id,
        lambda found, actor: services.break_glass(
            request_id=found, actor=actor, reason=reason, seen=seen
        ),
        form="break-glass",
    )


def _decide(
    request: HttpRequest,
    membership: Membership,
    request_id: UUID,
    act: Callable[[UUID, Actor], MitigationRequest],
    *,
    form: str = "",
) -> HttpResponse:
    """Take the decision and show the request, or say on this page why it was not taken."""
    found = request_for(membership, request_id)
    require_fresh_factor(request)
    try:
        act(found.pk, actor_of(request))
    except Invalid as error:
        said = error.errors[0].message if error.errors else error.message
        is_of_form = any(one.field == "reason" for one in error.errors)
        open_form = form if is_of_form else ""
        if not open_form:
            messages.warning(request, said)
        return _shown(request, membership, request_id, error=said, open_form=open_form, status=400)
    except (Conflict, NotAllowed) as error:
        messages.warning(request, error.message)
        if isinstance(error, PreviewChanged):
            return _shown(request, membership, request_id, status=409)
    return redirect(f"{found.get_absolute_url()}#h")


def _shown(
    request: HttpRequest,
    membership: Membership,
    request_id: UUID,
    *,
    error: str = "",
    open_form: str = "",
    status: int = 200,
) -> HttpResponse:
    start = frame(membership, timezone.now())
    found = request_for(membership, request_id)
    if found.approval_row is None:
        return redirect(found)
    page = approval_page(
        start,
        found,
        found.approval_row,
        reason=request.POST.get("reason", ""),
        error=error if open_form else "",
        open_form=open_form,
    )
    return render_page(request, page, status=status)

"""Actions on an unknown mitigation."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import actor_of
from portal.core.errors import Conflict
from portal.inventory import services
from portal.inventory.access import unknown_for
from portal.organizations.models import Role
from portal.organizations.request_context import member_of
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.unknown.page import withdraw_page


@require_POST
def adopt(request: HttpRequest, slug: str, unknown_id: UUID) -> HttpResponse:
    row = unknown_for(member_of(request, slug, Role.OPERATOR), unknown_id)
    try:
        adopted = services.adopt(unknown_id=row.pk, actor=actor_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
        return redirect("now:now", slug=slug)
    return redirect(f"{adopted.get_absolute_url()}#h")


@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, slug: str, unknown_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    row = unknown_for(membership, unknown_id)
    if request.method == "GET" and not (row.is_over or row.withdrawal_asked_at):
        return render_page(request, withdraw_page(frame(membership, timezone.now()), row))
    if request.method == "POST":
        try:
            services.withdraw(unknown_id=row.pk, actor=actor_of(request))
        except Conflict as error:
            messages.warning(request, error.message)
    return redirect("now:now", slug=slug)

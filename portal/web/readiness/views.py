"""The Readiness page and its drills."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.accounts.actors import Actor
from portal.core.errors import Conflict
from portal.core.numbers import whole_number
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.standby import services
from portal.web.frame import frame
from portal.web.readiness.page import drills_page, readiness_page
from portal.web.rendering import render_page

MAX_PAGE: Final = 99_999


@require_safe
def readiness(request: HttpRequest, slug: str) -> HttpResponse:
    start = frame(member_of(request, slug), timezone.now())
    return render_page(request, readiness_page(start))


def drills(request: HttpRequest, slug: str) -> HttpResponse:
    """All drills; a POST starts another."""
    if request.method == "POST":
        return _start(request, member_of(request, slug, Role.OPERATOR))
    return _list(request, slug)


@require_safe
def _list(request: HttpRequest, slug: str) -> HttpResponse:
    start = frame(member_of(request, slug), timezone.now())
    page = whole_number(request.GET.get("page", ""), at_most=MAX_PAGE) or 1
    return render_page(request, drills_page(start, page))


def _start(request: HttpRequest, membership: Membership) -> HttpResponse:
    try:
        services.start_drill(
            organization=membership.organization, actor=Actor.person(membership.user)
        )
    except Conflict as error:
        messages.warning(request, error.message)
    return redirect("readiness:readiness", slug=membership.organization.slug)

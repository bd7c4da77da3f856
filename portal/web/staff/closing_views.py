"""The forms that rename an organization, change its limit, close it and open it again."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.accounts.access import actor_of, person_of
from portal.core.errors import Conflict, Invalid, PortalError
from portal.core.numbers import whole_number
from portal.organizations import closing, live_limit, suspension
from portal.organizations.queries import organization_for_staff
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.staff.page import TypedReason, organization_page

MAX_TYPED: Final = 20
"""Characters of a typed number."""


@require_POST
def rename(request: HttpRequest, slug: str) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    organization_for_staff(slug)
    require_fresh_factor(request)
    name = request.POST.get("name", "")
    try:
        renamed = closing.rename(slug=slug, actor=actor_of(request), name=name)
    except Invalid as error:
        return _again(request, slug, TypedReason(name=name, name_error=error.message), error)
    messages.info(request, f"It is called {renamed.name} now. Its address in links stays.")
    return redirect("staff-pages:organization", slug=slug)


@require_POST
def change_limit(request: HttpRequest, slug: str) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    organization_for_staff(slug)
    require_fresh_factor(request)
    typed = request.POST.get("limit", "")[:MAX_TYPED]
    reason = request.POST.get("reason", "")
    try:
        changed = live_limit.change_limit(
            slug=slug, actor=actor_of(request), limit=_number(typed), reason=reason
        )
    except Invalid as error:
        found = {one.field: one.message for one in error.errors}
        wrong = TypedReason(
            limit=typed,
            limit_error=found.get("max_live_requests", ""),
            limit_reason=reason,
            limit_reason_error=found.get("reason", ""),
        )
        return _again(request, slug, wrong, error)
    messages.info(
        request, f"{changed.name} may have {changed.max_live_requests:,} live requests at a time."
    )
    return redirect("staff-pages:organization", slug=slug)


def _number(typed: str) -> int:
    found = whole_number(typed.strip().replace(",", ""), at_most=live_limit.MAX_LIMIT)
    if found is None:
        message = f"Write a whole number, {live_limit.MIN_LIMIT} to {live_limit.MAX_LIMIT:,}."
        raise Invalid.at("max_live_requests", "out-of-range", message)
    return found


@require_POST
def close(request: HttpRequest, slug: str) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    organization_for_staff(slug)
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        closed = closing.close(slug=slug, actor=actor_of(request), reason=reason)
    except (Conflict, Invalid) as error:
        return _again(request, slug, TypedReason(close=reason, close_error=error.message), error)
    messages.info(request, f"{closed.name} is closed to its members. Its live requests continue.")
    return redirect("staff-pages:organization", slug=slug)


@require_POST
def open_again(request: HttpRequest, slug: str) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    organization_for_staff(slug)
    require_fresh_factor(request)
    try:
        opened = closing.open_again(slug=slug, actor=actor_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
    else:
        messages.info(request, f"The members of {opened.name} can use it again.")
    return redirect("staff-pages:organization", slug=slug)


def _again(request: HttpRequest, slug: str, typed: TypedReason, error: PortalError) -> HttpResponse:
    page = organization_page(organization_for_staff(slug), timezone.now(), typed=typed)
    return render_page(request, page, status=error.http_status)

"""The scorecard, its table, and the form of service levels: parse, one access call, one service or
query call, render.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import actor_of
from portal.core.errors import Invalid, NotFound
from portal.organizations.models import Organization, Role
from portal.organizations.request_context import member_of
from portal.providers import queries
from portal.providers.models import Subscription
from portal.scorecard.export import ALL_ORGANIZATIONS, CONTENT_TYPE, csv_of
from portal.scorecard.periods import period_of
from portal.scorecard.scorecards import scorecard_of
from portal.scorecard.services import set_service_levels
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.scorecard.levels_page import LevelsForm, levels_page, saved_form, typed_form
from portal.web.scorecard.page import scorecard_page
from portal.web.scorecard.sections import current_zone


@require_safe
def scorecard(request: HttpRequest, slug: str) -> HttpResponse:
    start = frame(member_of(request, slug), timezone.now())
    page = scorecard_page(start, request.GET.dict())
    return render_page(request, page, status=page.chosen.status)


@require_safe
def scorecard_csv(request: HttpRequest, slug: str) -> HttpResponse:
    organization = member_of(request, slug).organization
    return csv_file(request, organization)


def csv_file(request: HttpRequest, organization: Organization | None) -> HttpResponse:
    """What the page shows with the same query string; of all organizations for None."""
    now = timezone.now()
    asked = request.GET.get("from", ""), request.GET.get("to", "")
    period = period_of(*asked, now=now, zone=current_zone())
    found = scorecard_of(organization, period, now)
    months = str(period).replace(" ", "-")
    name = f"scorecard-{organization.slug if organization else 'all'}-{months}.csv"
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return HttpResponse(
        csv_of(found, organization.name if organization else ALL_ORGANIZATIONS), headers=headers
    )


@require_http_methods(["GET", "POST"])
def levels(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    own = _subscription(membership.organization, provider_id)
    start = frame(membership, timezone.now())
    if request.method == "GET":
        return render_page(request, levels_page(start, own, saved_form(own)))
    require_fresh_factor(request)
    form = typed_form(request.POST)
    try:
        set_service_levels(subscription=own, actor=actor_of(request), values=form.values())
    except Invalid as error:
        refused = LevelsForm(typed=form.typed, errors=error.errors)
        return render_page(request, levels_page(start, own, refused), status=400)
    messages.info(request, f"The service levels of {own.provider.short_name} are saved.")
    return redirect("connections:provider", slug=slug, provider_id=provider_id)


def _subscription(organization: Organization, provider_id: UUID) -> Subscription:
    own = queries.connected(organization).filter(provider=provider_id).first()
    if own is None:
        raise NotFound
    return own

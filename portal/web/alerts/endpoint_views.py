"""Settings › Alerts: parse, one access call, one service call, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of
from portal.alerts import queries
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint
from portal.alerts.services import endpoints as services
from portal.alerts.services.map_waiting import map_endpoint, replay
from portal.alerts.services.poll import alert_network
from portal.alerts.services.send_test import send_test
from portal.alerts.services.try_poll import try_poll
from portal.core.errors import Conflict, FieldError, Invalid, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.admin_acts import admin_act
from portal.web.alerts.automatic_form import AutomaticForm
from portal.web.alerts.endpoint_form import EndpointForm
from portal.web.alerts.endpoint_pages import (
    EndpointPage,
    endpoint_page,
    endpoints_page,
    new_endpoint_page,
    remove_endpoint_page,
    sources_page,
    verified_resources,
)
from portal.web.frame import frame
from portal.web.rendering import render_page


@require_safe
def endpoints(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    return render_page(request, endpoints_page(frame(membership, timezone.now())))


@require_http_methods(["GET", "POST"])
def new_endpoint(request: HttpRequest, slug: str) -> HttpResponse:
    """The detectors; with `source` the form. The answer to it is the only page with the secret."""
    membership = member_of(request, slug, Role.ADMIN)
    source = request.POST.get("source", "") or request.GET.get("source", "")
    if source not in list(AlertSource):
        choice = sources_page(frame(membership, timezone.now()))
        return render_page(request, choice, status=400 if source else 200)
    if request.method == "GET":
        form = EndpointForm(source=source)
        return render_page(request, new_endpoint_page(frame(membership, timezone.now()), form))
    require_fresh_factor(request)
    form = EndpointForm.typed(request.POST)
    try:
        endpoint, secret = services.add_endpoint(
            organization=membership.organization,
            actor=actor_of(request),
            wish=form.wish(verified_resources(membership.organization)),
        )
    except (Conflict, Invalid) as error:
        start = frame(membership, timezone.now())
        page = new_endpoint_page(start, form.with_errors(error.errors), error=error.message)
        return render_page(request, page, status=error.http_status)
    start = frame(membership, timezone.now())
    made = endpoint_page(start, endpoint, origin=origin_of(request), secret=secret)
    return render_page(request, made)


@require_http_methods(["GET", "POST"])
def endpoint(request: HttpRequest, slug: str, endpoint_id: UUID) -> HttpResponse:
    """One endpoint; POST changes its settings."""
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.endpoint_for(membership.organization, endpoint_id)
    origin = origin_of(request)
    if request.method == "GET":
        page = endpoint_page(frame(membership, timezone.now()), found, origin=origin)
        return render_page(request, page)
    require_fresh_factor(request)
    form = EndpointForm.typed(request.POST)
    try:
        wish = form.wish(verified_resources(membership.organization), found)
        services.change_endpoint(endpoint=found, actor=actor_of(request), wish=wish)
    except (Conflict, Invalid) as error:
        form = form.with_errors(error.errors or [FieldError("poll", error.code, error.message)])
        page = endpoint_page(frame(membership, timezone.now()), found, origin=origin, form=form)
        return render_page(request, page, status=error.http_status)
    messages.info(request, "Saved. The settings apply from the next alert.")
    return redirect("alerts:endpoint", slug=slug, endpoint_id=endpoint_id)


@require_POST
def policy(request: HttpRequest, slug: str, endpoint_id: UUID) -> HttpResponse:
    """What the portal may do automatically because of this detector."""
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.endpoint_for(membership.organization, endpoint_id)
    require_fresh_factor(request)
    form = AutomaticForm.typed(request.POST)
    try:
        services.change_policy(endpoint=found, actor=actor_of(request), policy=form.policy())
    except Invalid as error:
        form = form.with_errors(error.errors)
        start = frame(membership, timezone.now())
        page = endpoint_page(start, found, origin=origin_of(request), automatic=form)
        return render_page(request, page, status=error.http_status)
    messages.info(request, "Saved. It applies from the next alert.")
    return redirect("alerts:endpoint", slug=slug, endpoint_id=endpoint_id)


@admin_act(queries.endpoint_for, "alerts:endpoint")
def rotate(request: HttpRequest, membership: Membership, found: AlertEndpoint) -> EndpointPage:
    """The answer is the only page with the new secret."""
    rotated, secret = services.rotate_secret(endpoint=found, actor=actor_of(request))
    start = frame(membership, timezone.now())
    return endpoint_page(start, rotated, origin=origin_of(request), secret=secret)


@admin_act(queries.endpoint_for, "alerts:endpoint")
def end_previous_secret(request: HttpRequest, _: Membership, found: AlertEndpoint) -> str:
    services.end_previous_secret(endpoint=found, actor=actor_of(request))
    return "The former secret has ended. Only the current one works."


@admin_act(queries.endpoint_for, "alerts:endpoint")
def switch(request: HttpRequest, _: Membership, found: AlertEndpoint) -> str:
    """On or off."""
    is_on = request.POST.get("on") == "yes"
    wish = services.EndpointWish(is_enabled=is_on)
    services.change_endpoint(endpoint=found, actor=actor_of(request), wish=wish)
    if found.polled:
        if is_on:
            return "Switched on. The portal polls the detector soon."
        return "Switched off. The portal no longer polls the detector."
    if is_on:
        return "Switched on. The detector’s next alert is received."
    return "Switched off. The detector is refused as if it had a wrong secret."


@admin_act(queries.endpoint_for, "alerts:endpoints", of_all=True, ask=remove_endpoint_page)
def remove(request: HttpRequest, _: Membership, found: AlertEndpoint) -> str:
    services.remove_endpoint(endpoint=found, actor=actor_of(request))
    return f"{found.name} is removed, with its alerts."


@require_POST
def test(request: HttpRequest, slug: str, endpoint_id: UUID) -> HttpResponse:
    """Send a sample, and read it at once if nothing else waits."""
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.endpoint_for(membership.organization, endpoint_id)
    try:
        received = send_test(endpoint=found, actor=actor_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
    else:
        if received.accepted:
            map_endpoint(found.pk)
        else:
            messages.warning(request, "Too many alerts come in now. Try again in 20 s.")
    return redirect("alerts:endpoint", slug=slug, endpoint_id=endpoint_id)


@require_POST
def test_poll(request: HttpRequest, slug: str, endpoint_id: UUID) -> HttpResponse:
    """Ask the detector now; the page shows what it answers."""
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.endpoint_for(membership.organization, endpoint_id)
    try:
        tested = try_poll(endpoint=found, actor=actor_of(request), network=alert_network())
    except (Conflict, Throttled, Unavailable) as error:
        messages.warning(request, error.message)
        return redirect("alerts:endpoint", slug=slug, endpoint_id=endpoint_id)
    start = frame(membership, timezone.now())
    page = endpoint_page(start, found, origin=origin_of(request), tested=tested)
    return render_page(request, page)


@require_POST
def replay_rejected(request: HttpRequest, slug: str, payload_id: UUID) -> HttpResponse:
    """Map a rejected payload again."""
    membership = member_of(request, slug, Role.OPERATOR)
    payload = queries.rejected_for(membership.organization, payload_id)
    replay(payload=payload, actor=actor_of(request))
    map_endpoint(payload.endpoint_id)
    if queries.rejected(membership.organization).filter(pk=payload.pk).exists():
        messages.warning(request, "The portal still cannot read it.")
    else:
        messages.info(request, "The payload is read again.")
    if request.POST.get("back") == "rejected" or not membership.allows(Role.ADMIN):
        return redirect("alerts:rejected", slug=slug)
    return redirect("alerts:endpoint", slug=slug, endpoint_id=payload.endpoint_id)

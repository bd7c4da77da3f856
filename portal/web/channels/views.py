"""Settings › Notices: parse, one access call, one service call, render."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of
from portal.core.errors import Conflict, Invalid, Throttled
from portal.core.origins import origin_of
from portal.notifications.channels import queries
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.registry import CHANNELS
from portal.notifications.channels.sealed_values import saved_names
from portal.notifications.channels.services import change as services
from portal.notifications.channels.services.send_test import send_test
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.admin_acts import admin_act
from portal.web.channels.channel_form import ChannelForm
from portal.web.channels.channel_pages import (
    ChannelPage,
    channel_page,
    channels_page,
    deliveries_page,
    kinds_page,
    new_channel_page,
    remove_channel_page,
)
from portal.web.frame import frame
from portal.web.rendering import render_page


@require_safe
def channels(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    return render_page(request, channels_page(frame(membership, timezone.now())))


@require_http_methods(["GET", "POST"])
def new_channel(request: HttpRequest, slug: str) -> HttpResponse:
    """The kinds; with `kind` the form. The answer to it is the only page with the secret."""
    membership = member_of(request, slug, Role.ADMIN)
    kind = request.POST.get("kind", "") or request.GET.get("kind", "")
    if kind not in CHANNELS:
        choice = kinds_page(frame(membership, timezone.now()))
        return render_page(request, choice, status=400 if kind else 200)
    if request.method == "GET":
        form = ChannelForm(kind=kind)
        return render_page(request, new_channel_page(frame(membership, timezone.now()), form))
    require_fresh_factor(request)
    form = ChannelForm.typed(kind, request.POST)
    try:
        channel, secret = services.add_channel(
            organization=membership.organization,
            actor=actor_of(request),
            kind=kind,
            draft=form.draft(),
        )
    except (Conflict, Invalid) as error:
        start = frame(membership, timezone.now())
        page = new_channel_page(start, form.with_errors(error.errors), error=error.message)
        return render_page(request, page, status=error.http_status)
    start = frame(membership, timezone.now())
    return render_page(request, channel_page(start, channel, secret=secret))


@require_http_methods(["GET", "POST"])
def channel(request: HttpRequest, slug: str, channel_id: UUID) -> HttpResponse:
    """One channel; POST changes its settings."""
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.channel_for(membership.organization, channel_id)
    if request.method == "GET":
        return render_page(request, channel_page(frame(membership, timezone.now()), found))
    require_fresh_factor(request)
    form = ChannelForm.typed(found.kind, request.POST, saved_secrets=saved_names(found))
    try:
        services.change_channel(channel=found, actor=actor_of(request), draft=form.draft())
    except Invalid as error:
        form = form.with_errors(error.errors)
        page = channel_page(frame(membership, timezone.now()), found, form=form)
        return render_page(request, page, status=error.http_status)
    messages.info(request, "Saved. The settings apply from the next notice.")
    return redirect("channels:channel", slug=slug, channel_id=channel_id)


@require_safe
def deliveries(request: HttpRequest, slug: str, channel_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.channel_for(membership.organization, channel_id)
    return render_page(request, deliveries_page(frame(membership, timezone.now()), found))


@admin_act(queries.channel_for, "channels:channel")
def rotate(request: HttpRequest, membership: Membership, found: NoticeChannel) -> ChannelPage:
    """The answer is the only page with the new secret."""
    rotated, secret = services.rotate_secret(channel=found, actor=actor_of(request))
    return channel_page(frame(membership, timezone.now()), rotated, secret=secret)


@admin_act(queries.channel_for, "channels:channel")
def end_previous_secret(request: HttpRequest, _: Membership, found: NoticeChannel) -> str:
    services.end_previous_secret(channel=found, actor=actor_of(request))
    return "The former secret has ended. Only the current one works."


@admin_act(queries.channel_for, "channels:channel")
def switch(request: HttpRequest, _: Membership, found: NoticeChannel) -> str:
    """On or off."""
    is_on = request.POST.get("on") == "yes"
    draft = services.ChannelDraft(is_enabled=is_on)
    services.change_channel(channel=found, actor=actor_of(request), draft=draft)
    if is_on:
        return "Switched on. The channel gets the next notice."
    return "Switched off. The channel gets no notices."


@admin_act(queries.channel_for, "channels:channels", of_all=True, ask=remove_channel_page)
def remove(request: HttpRequest, _: Membership, found: NoticeChannel) -> str:
    services.remove_channel(channel=found, actor=actor_of(request))
    return f"{found.name} is removed, with its deliveries."


@require_POST
def test(request: HttpRequest, slug: str, channel_id: UUID) -> HttpResponse:
    """Send a real message. The page shows the receiver's answer."""
    membership = member_of(request, slug, Role.ADMIN)
    found = queries.channel_for(membership.organization, channel_id)
    path = reverse("channels:channel", args=[slug, channel_id])
    try:
        send_test(channel=found, actor=actor_of(request), url=f"{origin_of(request)}{path}")
    except Throttled as error:
        messages.warning(request, error.message)
    return redirect(path)

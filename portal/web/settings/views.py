"""The settings of an organization: parse, one access call, one service or query call, render."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of
from portal.accounts.actors import Actor
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, NotFound, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.organizations import invitations, lost_phones, members
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.frame import Frame, frame
from portal.web.rendering import render_page
from portal.web.settings.members_page import (
    InviteForm,
    lost_phone_page,
    members_page,
    remove_page,
)
from portal.web.settings.start_page import start_page


@require_safe
def start(request: HttpRequest, slug: str) -> HttpResponse:
    return render_page(request, start_page(_start(member_of(request, slug))))


@require_http_methods(["GET", "POST"])
def members_list(request: HttpRequest, slug: str) -> HttpResponse:
    if request.method == "GET":
        return render_page(request, members_page(_start(member_of(request, slug))))
    membership = _admin(request, slug)
    form = InviteForm(
        email=request.POST.get("email", "").strip(), role=request.POST.get("role", "")
    )
    try:
        invitation = invitations.invite(
            organization=membership.organization,
            actor=actor_of(request),
            email=form.email,
            role=_role(form.role),
            origin=origin_of(request),
        )
    except (Invalid, Conflict, Throttled, Unavailable) as error:
        words = error.errors[0].message if error.errors else error.message
        wrong = InviteForm(email=form.email, role=form.role, error=words)
        page = members_page(_start(membership), wrong)
        return render_page(request, page, status=error.http_status)
    messages.info(
        request,
        f"A mail to {invitation.email} is on its way. Its link works once, within 7\u00a0days.",
    )
    return redirect("settings:members", slug=slug)


@require_POST
def change_role(request: HttpRequest, slug: str, member_id: UUID) -> HttpResponse:
    def act(organization: Organization, actor: Actor) -> str:
        changed = members.change_role(
            organization=organization,
            user_id=member_id,
            role=_role(request.POST.get("role", "")),
            actor=actor,
        )
        return f"{changed.user.username} is now {changed.role}."

    return _change(request, slug, act)


@require_POST
def send_again(request: HttpRequest, slug: str, invitation_id: UUID) -> HttpResponse:
    def act(organization: Organization, actor: Actor) -> str:
        invitation = invitations.send_again(
            organization=organization,
            invitation_id=invitation_id,
            actor=actor,
            origin=origin_of(request),
        )
        return f"A new mail to {invitation.email} is on its way. The earlier link has ended."

    return _change(request, slug, act)


@require_POST
def revoke(request: HttpRequest, slug: str, invitation_id: UUID) -> HttpResponse:
    def act(organization: Organization, actor: Actor) -> str:
        invitations.revoke(organization=organization, invitation_id=invitation_id, actor=actor)
        return "The invitation is revoked. Its link does not work any more."

    return _change(request, slug, act)


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, slug: str, member_id: UUID) -> HttpResponse:
    membership = member_of(request, slug)
    is_you = membership.user_id == member_id
    if not is_you:
        membership = member_of(request, slug, Role.ADMIN)
    leaver = members.member_for(membership.organization, member_id)
    if request.method == "GET":
        return render_page(request, remove_page(_start(membership), leaver))
    require_fresh_factor(request)
    try:
        members.remove(
            organization=membership.organization, user_id=member_id, actor=actor_of(request)
        )
    except Conflict as error:
        page = remove_page(_start(membership), leaver, error=error.message)
        return render_page(request, page, status=error.http_status)
    if is_you:
        return redirect("now:home")
    messages.info(request, f"{leaver.user.username} is not a member any more.")
    return redirect("settings:members", slug=slug)


@require_http_methods(["GET", "POST"])
def lost_phone(request: HttpRequest, slug: str, member_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    owner = members.member_for(membership.organization, member_id)
    if request.method == "GET":
        return render_page(request, lost_phone_page(_start(membership), owner))
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        lost_phones.start(
            organization=membership.organization,
            user_id=member_id,
            actor=actor_of(request),
            reason=reason,
            origin=origin_of(request),
        )
    except (Conflict, Invalid, Unavailable) as error:
        page = lost_phone_page(_start(membership), owner, reason=reason, error=error.message)
        return render_page(request, page, status=error.http_status)
    return redirect("settings:lost-phone", slug=slug, member_id=member_id)


@require_POST
def confirm_lost_phone(request: HttpRequest, slug: str, member_id: UUID) -> HttpResponse:
    def act(organization: Organization, actor: Actor) -> str:
        lost_phones.confirm(
            organization=organization,
            user_id=member_id,
            actor=actor,
            address=address_of(request),
        )
        return "The second factor is reset. The next sign-in sets up a new one."

    return _change(request, slug, act)


@require_POST
def cancel_lost_phone(request: HttpRequest, slug: str, member_id: UUID) -> HttpResponse:
    membership = member_of(request, slug)
    if membership.user_id != member_id:
        member_of(request, slug, Role.ADMIN)
    try:
        lost_phones.cancel(
            organization=membership.organization, user_id=member_id, actor=actor_of(request)
        )
    except NotFound as error:
        messages.warning(request, error.message)
    else:
        messages.info(request, "The reset is canceled. Nothing was changed.")
    return redirect("settings:members", slug=slug)


def _change(
    request: HttpRequest, slug: str, act: Callable[[Organization, Actor], str]
) -> HttpResponse:
    """An admin's act from the page Members, which then says what happened."""
    membership = _admin(request, slug)
    try:
        messages.info(request, act(membership.organization, actor_of(request)))
    except (Conflict, Invalid, Throttled, Unavailable) as error:
        messages.warning(request, error.message)
    return redirect("settings:members", slug=slug)


def _admin(request: HttpRequest, slug: str) -> Membership:
    membership = member_of(request, slug, Role.ADMIN)
    require_fresh_factor(request)
    return membership


def _start(membership: Membership) -> Frame:
    return frame(membership, timezone.now())


def _role(typed: str) -> Role:
    try:
        return Role(typed)
    except ValueError:
        raise Invalid("Choose one of the roles.") from None

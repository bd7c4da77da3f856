"""The page of the portal's staff, and what managers do there."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import actor_of, person_of
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, NotFound, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.organizations.founding import MAY_ADD
from portal.staff import invitations, lost_phones
from portal.staff import people as staff
from portal.staff.models import StaffRole
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.settings.members_page import InviteForm
from portal.web.staff_people.page import ROLES, end_page, lost_phone_page, staff_page


@require_http_methods(["GET", "POST"])
def people(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        MAY_ADD.require(person_of(request))
        return render_page(request, staff_page(person_of(request), timezone.now()))
    person = _manager(request)
    form = InviteForm(
        email=request.POST.get("email", "").strip(), role=request.POST.get("role", "")
    )
    try:
        invitation = invitations.invite(
            actor=actor_of(request),
            email=form.email,
            role=_role(form.role),
            origin=origin_of(request),
        )
    except (Invalid, Conflict, Throttled, Unavailable) as error:
        words = error.errors[0].message if error.errors else error.message
        wrong = InviteForm(email=form.email, role=form.role, error=words)
        page = staff_page(person, timezone.now(), wrong)
        return render_page(request, page, status=error.http_status)
    messages.info(
        request,
        f"A mail to {invitation.email} is on its way. Its link works once, within 7\u00a0days.",
    )
    return redirect("staff-people:people")


@require_POST
def change_role(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    def act(actor: Actor) -> str:
        role = _role(request.POST.get("role", ""))
        changed = staff.change_role(
            user_id=staff_id, role=role, actor=actor, address=address_of(request)
        )
        return f"The role of {changed.username} is now {ROLES[role]}."

    return _change(request, act)


@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    person = person_of(request)
    staff.require_manager(person)
    user = staff.colleague_for(staff_id)
    if request.method == "GET":
        return render_page(request, end_page(user, person))
    require_fresh_factor(request)
    try:
        staff.end(user_id=staff_id, actor=actor_of(request), address=address_of(request))
    except Conflict as error:
        page = end_page(user, person, error=error.message)
        return render_page(request, page, status=error.http_status)
    if user.pk == person.pk:
        return redirect("accounts:sign-in")
    messages.info(request, f"{user.username} no longer belongs to the staff.")
    return redirect("staff-people:people")


@require_POST
def send_again(request: HttpRequest, staff_invitation_id: UUID) -> HttpResponse:
    def act(actor: Actor) -> str:
        invitation = invitations.send_again(
            invitation_id=staff_invitation_id, actor=actor, origin=origin_of(request)
        )
        return f"A new mail to {invitation.email} is on its way. The earlier link has ended."

    return _change(request, act)


@require_POST
def revoke(request: HttpRequest, staff_invitation_id: UUID) -> HttpResponse:
    def act(actor: Actor) -> str:
        invitations.revoke(invitation_id=staff_invitation_id, actor=actor)
        return "The invitation is revoked. Its link does not work any more."

    return _change(request, act)


@require_http_methods(["GET", "POST"])
def lost_phone(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    person = person_of(request)
    staff.require_manager(person)
    user = staff.colleague_for(staff_id)
    if request.method == "GET":
        return render_page(request, lost_phone_page(user, person))
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        lost_phones.start(
            user_id=staff_id, actor=actor_of(request), reason=reason, origin=origin_of(request)
        )
    except (Conflict, Invalid) as error:
        page = lost_phone_page(user, person, reason=reason, error=error.message)
        return render_page(request, page, status=error.http_status)
    return redirect("staff-people:lost-phone", staff_id=staff_id)


@require_POST
def confirm_lost_phone(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    def act(actor: Actor) -> str:
        lost_phones.confirm(user_id=staff_id, actor=actor, address=address_of(request))
        return "The second factor is reset. The next sign-in sets up a new one."

    return _change(request, act)


@require_POST
def cancel_lost_phone(request: HttpRequest, staff_id: UUID) -> HttpResponse:
    """Managers may, and the person."""
    person = person_of(request)
    if person.pk != staff_id:
        staff.require_manager(person)
    try:
        lost_phones.cancel(user_id=staff_id, actor=actor_of(request))
    except NotFound as error:
        messages.warning(request, error.message)
    else:
        messages.info(request, "The reset is canceled. Nothing was changed.")
    return redirect("staff-people:people")


def _change(request: HttpRequest, act: Callable[[Actor], str]) -> HttpResponse:
    """A manager's act from the page Staff, which then says what happened."""
    _manager(request)
    try:
        messages.info(request, act(actor_of(request)))
    except (Conflict, Invalid, Throttled, Unavailable) as error:
        messages.warning(request, error.message)
    return redirect("staff-people:people")


def _manager(request: HttpRequest) -> User:
    person = person_of(request)
    staff.require_manager(person)
    require_fresh_factor(request)
    return person


def _role(typed: str) -> StaffRole:
    try:
        return StaffRole(typed)
    except ValueError:
        raise Invalid("Choose one of the roles.") from None

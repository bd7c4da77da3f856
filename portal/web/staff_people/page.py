"""The people of the portal's staff: who they are, who is invited, and what a manager can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from django.urls import reverse

from portal.accounts.enrolled import FACTORS
from portal.accounts.managers import is_manager, managers, refusal_to_lose
from portal.accounts.models import User
from portal.staff import lost_phones
from portal.staff.invitations import unanswered
from portal.staff.models import StaffFactorReset, StaffInvitation, StaffRole
from portal.staff.people import staff
from portal.staff.roles import role_of
from portal.web.options import Option, rights
from portal.web.rendering import Page
from portal.web.settings.members_page import InvitationRow, InviteForm

ROLES: Final = {
    StaffRole.SUPPORT: "Support",
    StaffRole.OPERATIONS: "Operations",
    StaffRole.MANAGER: "Manager",
}
CAN: Final = {
    StaffRole.SUPPORT: "adds organizations and acts for them",
    StaffRole.OPERATIONS: "also changes organizations, resources and providers",
    StaffRole.MANAGER: "also manages the staff, and uses the emergency site",
}
NO_ROLE: Final = "Single permissions"
"""In place of a role, if a colleague got them one by one in `/admin/`."""
KINDS: Final = {"authenticator": "app", "webauthncredential": "passkey"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColleagueRow:
    """One member of the staff, as the person who looks may see and change them."""

    id: UUID
    name: str
    display_name: str
    email: str
    "empty unless a manager looks"
    role: str
    is_you: bool
    factors: str
    "the kinds of second factors, such as an app; empty without one"
    state: str
    "what keeps the colleague from acting; empty if nothing does"
    last_sign_in: datetime | None
    choices: Sequence[Option]
    change: str
    end: str
    lost_phone: str
    cancel: str
    "ends a reset of one's own second factor; empty if none waits"
    has_reset: bool
    "a second manager has to confirm the reset of the second factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffPage(Page):
    """The lists, and for managers the form to invite someone."""

    template: ClassVar = "staff/people.html"

    headline: str
    is_manager: bool
    people: Sequence[ColleagueRow]
    invitations: Sequence[InvitationRow]
    form: InviteForm
    roles: Sequence[Option]
    managers: str
    "who can change this; for the others"


def staff_page(viewer: User, now: datetime, form: InviteForm | None = None) -> StaffPage:
    form = form or InviteForm(role=StaffRole.SUPPORT.value)
    own, resets = list(staff()), lost_phones.waiting()
    factors = _factors_of([one.pk for one in own])
    may_change = is_manager(viewer)
    return StaffPage(
        headline="1 person." if len(own) == 1 else f"{len(own)} people.",
        is_manager=may_change,
        people=[_row(one, viewer, factors.get(one.pk, []), resets) for one in own],
        invitations=[_invitation(one, now) for one in unanswered()] if may_change else [],
        form=form,
        roles=role_choices(form.role),
        managers=", ".join(managers().values_list("username", flat=True)),
    )


def role_choices(chosen: str) -> list[Option]:
    return rights({one.value: (ROLES[one], CAN[one]) for one in StaffRole}, chosen)


def _factors_of(ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The kinds of each person's second factors."""
    found: dict[UUID, list[str]] = {}
    for kind in FACTORS:
        rows = kind._default_manager.filter(user__in=ids, confirmed=True)
        for user_id in rows.values_list("user_id", flat=True).distinct():
            found.setdefault(user_id, []).append(KINDS[str(kind._meta.model_name)])
    return found


def _row(
    user: User, viewer: User, factors: Sequence[str], resets: Mapping[UUID, StaffFactorReset]
) -> ColleagueRow:
    may_change, is_you = is_manager(viewer), user.pk == viewer.pk
    role = role_of(user)
    state = ""
    if not user.is_active:
        state = "Deactivated on the emergency site."
    elif user.pk in resets:
        state = "A reset of the second factor waits for a second manager."
    elif not factors:
        state = "Has no second factor yet, and cannot act until then."
    return ColleagueRow(
        id=user.pk,
        name=user.username,
        display_name=user.display_name,
        email=user.email if may_change or is_you else "",
        role=ROLES[role] if role else NO_ROLE,
        is_you=is_you,
        factors=" and ".join(factors),
        state=state,
        last_sign_in=user.last_login,
        choices=role_choices(role.value if role else "") if may_change else [],
        change=reverse("staff-people:role", args=[user.pk]),
        end=reverse("staff-people:end", args=[user.pk]) if may_change else "",
        lost_phone=reverse("staff-people:lost-phone", args=[user.pk])
        if may_change and not is_you
        else "",
        cancel=reverse("staff-people:cancel-lost-phone", args=[user.pk])
        if is_you and user.pk in resets
        else "",
        has_reset=user.pk in resets,
    )


def _invitation(invitation: StaffInvitation, now: datetime) -> InvitationRow:
    by, place = invitation.invited_by, [invitation.pk]
    return InvitationRow(
        email=invitation.email,
        role=ROLES[StaffRole(invitation.role)],
        by=by.username if by else "a former colleague",
        sent_at=invitation.sent_at,
        ends_at=invitation.expires_at,
        has_ended=invitation.expires_at <= now,
        send_again=reverse("staff-people:send-again", args=place),
        revoke=reverse("staff-people:revoke", args=place),
    )


# Questions before an act


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPage(Page):
    """What ends if a colleague leaves the staff."""

    template: ClassVar = "staff/end.html"

    name: str
    is_you: bool
    refusal: str
    "why the last manager has to stay; empty if the colleague may leave"
    error: str


def end_page(user: User, viewer: User, *, error: str = "") -> EndPage:
    return EndPage(
        name=user.username,
        is_you=user.pk == viewer.pk,
        refusal=refusal_to_lose([user]),
        error=error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffLostPhonePage(Page):
    """Start, confirm or cancel the reset of a colleague's second factor."""

    template: ClassVar = "staff/lost_phone.html"

    name: str
    start: str
    confirm: str
    "empty if the person who looks cannot confirm"
    cancel: str
    started_by: str
    "empty if no manager asked for it"
    started_at: datetime | None
    ends_at: datetime | None
    given_reason: str
    reason: str
    error: str
    back: str
    back_words: str = "Back to staff"
    second: str = "manager"
    "who confirms"
    shown_in: str = "the audit"


def lost_phone_page(
    user: User, viewer: User, *, reason: str = "", error: str = ""
) -> StaffLostPhonePage:
    reset = lost_phones.waiting().get(user.pk)
    may_confirm = reset is not None and viewer.pk not in (reset.started_by_id, user.pk)
    return StaffLostPhonePage(
        name=user.username,
        start=reverse("staff-people:lost-phone", args=[user.pk]),
        confirm=reverse("staff-people:confirm-lost-phone", args=[user.pk]) if may_confirm else "",
        cancel=reverse("staff-people:cancel-lost-phone", args=[user.pk]),
        started_by=reset.started_by.username if reset else "",
        started_at=reset.started_at if reset else None,
        ends_at=reset.expires_at if reset else None,
        given_reason=reset.reason if reset else "",
        reason=reason,
        error=error,
        back=reverse("staff-people:people"),
    )

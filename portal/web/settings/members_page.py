"""Members: who they are, who is invited, and what an admin can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from django.urls import reverse

from portal.organizations import lost_phones
from portal.organizations.invitations import unanswered
from portal.organizations.models import FactorReset, Invitation, Membership, Role
from portal.sso.queries import can_give_factor
from portal.web.frame import Frame
from portal.web.options import Option, rights
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.removal import RemovalPage

ROLES: Final = {
    Role.VIEWER: "Viewer",
    Role.OPERATOR: "Operator",
    Role.APPROVER: "Approver",
    Role.ADMIN: "Admin",
}
CAN: Final = {
    Role.VIEWER: "watches",
    Role.OPERATOR: "also requests and terminates mitigation",
    Role.APPROVER: "also approves what others request",
    Role.ADMIN: "also manages members and settings",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One member, as the person who looks may see and change them."""

    id: UUID
    name: str
    display_name: str
    email: str
    "empty unless an admin looks"
    role: str
    is_you: bool
    state: str
    "what keeps the member from acting; empty if nothing does"
    last_sign_in: datetime | None
    choices: Sequence[Option]
    remove: str
    lost_phone: str
    change: str
    cancel: str
    "ends a reset of one's own second factor; empty if none waits"
    has_reset: bool
    "a second admin has to confirm the reset of the second factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    """One invitation that was not accepted."""

    email: str
    role: str
    by: str
    sent_at: datetime
    ends_at: datetime
    has_ended: bool
    send_again: str
    revoke: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteForm:
    """The typed invitation."""

    email: str = ""
    role: str = Role.OPERATOR.value
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersPage(SettingsPage):
    """The lists, and for admins the form to invite someone."""

    template: ClassVar = "settings/members.html"
    tab: ClassVar = "members"

    headline: str
    is_admin: bool
    members: Sequence[MemberRow]
    invitations: Sequence[InvitationRow]
    form: InviteForm
    roles: Sequence[Option]
    admins: str
    "who can change this; for the others"


def members_page(start: Frame, form: InviteForm | None = None) -> MembersPage:
    organization, form = start.organization, form or InviteForm()
    is_admin = start.membership.allows(Role.ADMIN)
    able = Membership.objects.filter(can_give_factor(), organization=organization)
    enrolled = set(able.values_list("user_id", flat=True))
    resets = lost_phones.waiting(organization)
    own = list(
        Membership.objects.filter(organization=organization)
        .select_related("user")
        .order_by("user__username")
    )
    admins = [one.user.username for one in own if one.role == Role.ADMIN and one.user.is_active]
    return MembersPage(
        frame=start,
        title="Members",
        headline="1 member." if len(own) == 1 else f"{len(own)} members.",
        is_admin=is_admin,
        members=[_row(one, start, one.user_id in enrolled, resets) for one in own],
        invitations=[_invitation(one, start) for one in unanswered(organization)]
        if is_admin
        else [],
        form=form,
        roles=role_choices(form.role),
        admins=", ".join(admins),
    )


def role_choices(chosen: str) -> list[Option]:
    return rights({one.value: (ROLES[one], CAN[one]) for one in Role}, chosen)


def _row(
    membership: Membership,
    start: Frame,
    is_enrolled: bool,  # noqa: FBT001
    resets: Mapping[UUID, FactorReset],
) -> MemberRow:
    user, slug = membership.user, start.organization.slug
    is_admin, is_you = start.membership.allows(Role.ADMIN), user.pk == start.membership.user_id
    state = ""
    if not user.is_active:
        state = "Deactivated by the portal’s operator."
    elif user.pk in resets:
        state = "A reset of the second factor waits for a second admin."
    elif not is_enrolled:
        state = "Has no second factor yet, and cannot act until then."
    place = [slug, user.pk]
    return MemberRow(
        id=user.pk,
        name=user.username,
        display_name=user.display_name,
        email=user.email if is_admin or is_you else "",
        role=ROLES[Role(membership.role)],
        is_you=is_you,
        state=state,
        last_sign_in=user.last_login,
        choices=role_choices(membership.role) if is_admin else [],
        change=reverse("settings:role", args=place),
        remove=reverse("settings:remove", args=place) if is_admin or is_you else "",
        lost_phone=reverse("settings:lost-phone", args=place) if is_admin and not is_you else "",
        cancel=reverse("settings:cancel-lost-phone", args=place)
        if is_you and user.pk in resets
        else "",
        has_reset=user.pk in resets,
    )


def _invitation(invitation: Invitation, start: Frame) -> InvitationRow:
    by = invitation.invited_by
    place = [start.organization.slug, invitation.pk]
    return InvitationRow(
        email=invitation.email,
        role=ROLES[Role(invitation.role)],
        by="Portal staff" if invitation.is_by_staff or by is None else by.username,
        sent_at=invitation.sent_at,
        ends_at=invitation.expires_at,
        has_ended=invitation.expires_at <= start.now,
        send_again=reverse("settings:send-again", args=place),
        revoke=reverse("settings:revoke", args=place),
    )


# Questions before an act


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMemberPage(RemovalPage):
    """What ends when a member is removed, or leaves."""

    tab: ClassVar = "members"


def remove_page(start: Frame, membership: Membership, *, error: str = "") -> RemoveMemberPage:
    name, organization = membership.user.username, start.organization.name
    is_you = membership.user_id == start.membership.user_id
    points = [
        "Sessions, API tokens and open pages lose access to it at once.",
        "Live requests go on, and the name stays in what happened so far.",
        "Coming back takes a new invitation.",
    ]
    return RemoveMemberPage(
        frame=start,
        title=f"Leave {organization}?" if is_you else f"Remove {name} from {organization}?",
        points=points,
        button="Leave now" if is_you else "Remove now",
        sending="Leaving" if is_you else "Removing",
        keep="Back to members",
        back=reverse("settings:members", args=[start.organization.slug]),
        error=error,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LostPhonePage(SettingsPage):
    """Start, confirm or cancel the reset of a member's second factor."""

    template: ClassVar = "settings/lost_phone.html"
    tab: ClassVar = "members"

    name: str
    back: str
    start: str
    confirm: str
    "empty if the person who looks cannot confirm"
    cancel: str
    started_by: str
    "empty if no admin asked for it"
    started_at: datetime | None
    ends_at: datetime | None
    given_reason: str
    reason: str
    error: str
    back_words: str = "Back to members"
    second: str = "admin"
    "who confirms"
    shown_in: str = "the organization’s log"


def lost_phone_page(
    start: Frame, membership: Membership, *, reason: str = "", error: str = ""
) -> LostPhonePage:
    place = [start.organization.slug, membership.user_id]
    reset = lost_phones.waiting(start.organization).get(membership.user_id)
    viewer = start.membership.user_id
    may_confirm = reset is not None and viewer not in (reset.started_by_id, reset.user_id)
    return LostPhonePage(
        frame=start,
        title="Members",
        name=membership.user.username,
        back=reverse("settings:members", args=place[:1]),
        start=reverse("settings:lost-phone", args=place),
        confirm=reverse("settings:confirm-lost-phone", args=place) if may_confirm else "",
        cancel=reverse("settings:cancel-lost-phone", args=place),
        started_by=reset.started_by.username if reset else "",
        started_at=reset.started_at if reset else None,
        ends_at=reset.expires_at if reset else None,
        given_reason=reset.reason if reset else "",
        reason=reason,
        error=error,
    )

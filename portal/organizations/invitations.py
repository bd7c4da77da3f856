"""Invitations: how a person becomes a member without the portal's staff."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.time_zones import time_zone_of
from portal.core import throttle
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, FieldError, Invalid, NotFound, PortalError
from portal.events.data import EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.mail.addresses import normal_email
from portal.mail.services import queue_mail
from portal.organizations import members, people_mails
from portal.organizations.models import (
    Invitation,
    MailedInvitation,
    Membership,
    Organization,
    Role,
)
from portal.organizations.recording import record_change

MAX_OPEN: Final = 100
"""Open invitations of one organization, and of the staff."""
MAX_TOKEN_LENGTH: Final = 64
MAILS: Final = throttle.Limit(
    name="invitation-mails",
    tries=60,
    window_s=3600,
    message="This organization has sent too many invitations.",
)
ACCEPTANCES: Final = throttle.Limit(
    name="invitation-tries", tries=30, window_s=300, message="Too many tries from this address."
)


class InvitationEnded(PortalError):
    """The same answer for every link that opens nothing."""

    code = "invitation-ended"
    http_status = 410
    title = "This invitation does not work"

    def __init__(self) -> None:
        super().__init__(
            "It was used, revoked or replaced by a newer mail, or it has expired. Ask the person "
            "who invited you for a new one."
        )


class OtherAddress(Conflict):
    """The person who is signed in is not the one who was invited."""

    code = "other-address"
    title = "This invitation is for another person"

    def __init__(self, invitation: MailedInvitation, user: User) -> None:
        own = f"whose address is {user.email}" if user.email else "who has no email address here"
        super().__init__(
            f"It was sent to {invitation.email}, and you are signed in as {user.username}, {own}. "
            "Sign out to accept it as another person, or ask for an invitation to your address."
        )


def invite(
    *, organization: Organization, actor: Actor, email: str, role: Role, origin: str
) -> Invitation:
    """Send a link that makes its reader a member. `origin` is the portal's own address, for
    example `https://portal.example`.
    """
    throttle.count(MAILS, str(organization.pk))
    with transaction.atomic():
        lock_log(organization.pk)
        members.require_admin(organization, actor)
        return create(organization=organization, actor=actor, email=email, role=role, origin=origin)


def create(
    *,
    organization: Organization,
    actor: Actor,
    email: str,
    role: Role,
    origin: str,
    is_by_staff: bool = False,
) -> Invitation:
    """`invite` without the check of the actor, in a transaction that has locked the log."""
    email, now = normal_email(email), timezone.now()
    present = Membership.objects.filter(organization=organization, user__email__iexact=email)
    if member := present.select_related("user").first():
        raise not_invited(
            "already-member", f"{member.user.username} is a member with this address."
        )
    require_room(unanswered(organization), email, now, whose=f"{organization.name} has")
    invitation = Invitation(
        organization=organization,
        email=email,
        role=role,
        invited_by=actor.require_person(),
        is_by_staff=is_by_staff,
        created_at=now,
    )
    token = invitation.renew_link(now)
    invitation.save()
    _record(EventType.MEMBER_INVITED, invitation, actor)
    _mail(invitation, token, origin)
    return invitation


def require_room(
    unanswered: QuerySet[MailedInvitation], email: str, now: datetime, *, whose: str
) -> None:
    """For one more invitation. Invalid if the address is invited already, Conflict if they are too
    many. `whose`: "Acme has", in its message.
    """
    # One that has expired makes room for the new one.
    unanswered.filter(email=email, expires_at__lte=now).update(revoked_at=now)
    if unanswered.filter(email=email).exists():
        raise not_invited("already-invited", f"{email} is already invited. Send that one again.")
    if unanswered.count() >= MAX_OPEN:
        raise Conflict(
            f"{whose} reached the limit of {MAX_OPEN} open invitations.",
            code="too-many-invitations",
        )


def not_invited(code: str, message: str) -> Invalid:
    """Why an address gets no invitation."""
    return Invalid(message, code=code, errors=[FieldError("email", code, message)])


def send_again(
    *, organization: Organization, invitation_id: UUID, actor: Actor, origin: str
) -> Invitation:
    """A new link that holds as long as a new invitation; the link of the earlier mail ends."""
    throttle.count(MAILS, str(organization.pk))
    with transaction.atomic():
        lock_log(organization.pk)
        members.require_admin(organization, actor)
        return renew(invitation_for(organization, invitation_id), actor=actor, origin=origin)


def renew(invitation: Invitation, *, actor: Actor, origin: str) -> Invitation:
    """`send_again` without the check of the actor, in a transaction that has locked the log."""
    token = invitation.renew_link(timezone.now())
    invitation.save(update_fields=["digest", "sent_at", "expires_at"])
    _record(EventType.MEMBER_INVITED, invitation, actor, is_renewed=True)
    _mail(invitation, token, origin)
    return invitation


@transaction.atomic
def revoke(*, organization: Organization, invitation_id: UUID, actor: Actor) -> None:
    """The link stops working at once."""
    lock_log(organization.pk)
    members.require_admin(organization, actor)
    end(invitation_for(organization, invitation_id), actor=actor)


def end(invitation: Invitation, *, actor: Actor) -> None:
    """`revoke` without the check of the actor, in a transaction that has locked the log."""
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    _record(EventType.MEMBER_INVITATION_REVOKED, invitation, actor)


def unanswered(organization: Organization) -> QuerySet[Invitation]:
    """Neither accepted nor revoked; they may have expired. By address."""
    return (
        Invitation.objects.filter(
            organization=organization, accepted_at__isnull=True, revoked_at__isnull=True
        )
        .select_related("invited_by", "organization")
        .order_by("email")
    )


def invitation_for(organization: Organization, invitation_id: UUID) -> Invitation:
    """The only way from an id to an invitation that can still change. NotFound otherwise."""
    invitation = unanswered(organization).filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound
    return invitation


def invitation_of(token: str, *, address: str) -> Invitation:
    """The invitation that a link opens now. InvitationEnded, or Throttled."""
    throttle.count(ACCEPTANCES, throttle.subject_of(address))
    invitation = _open(Q(digest=Invitation.digest_of(token[:MAX_TOKEN_LENGTH])))
    if invitation is None:
        raise InvitationEnded
    return invitation


def _open(which: Q) -> Invitation | None:
    return (
        Invitation.objects.filter(
            which,
            accepted_at__isnull=True,
            revoked_at__isnull=True,
            expires_at__gt=timezone.now(),
            organization__is_active=True,
        )
        .select_related("organization", "invited_by")
        .first()
    )


def accept(*, token: str, user: User, address: str) -> Membership:
    """The person who is signed in becomes a member. OtherAddress if another one was invited."""
    found = invitation_of(token, address=address)
    if user.email.lower() != found.email:
        raise OtherAddress(found, user)
    with transaction.atomic():
        return _join(_still(found), user)


def accept_as_new(*, token: str, username: str, password: str, address: str) -> Membership:
    """A new person, whose address the link proves, becomes a member."""
    found = invitation_of(token, address=address)
    user = accounts.new_account(email=found.email, username=username, password=password)
    with transaction.atomic():
        invitation = _still(found)
        accounts.add_account(user, organization_id=invitation.organization_id)
        return _join(invitation, user)


def _still(found: Invitation) -> Invitation:
    """The invitation under the lock of its organization's log: of two people who accept it at the
    same time, the second finds it accepted. A newer mail may have replaced its link.
    """
    lock_log(found.organization_id)
    still = _open(Q(digest=found.digest))
    if still is None:
        raise InvitationEnded
    return still


def _join(invitation: Invitation, user: User) -> Membership:
    membership, is_new = Membership.objects.get_or_create(
        organization=invitation.organization, user=user, defaults={"role": invitation.role}
    )
    if not is_new:
        raise Conflict("You are a member already.", code="already-member")
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    _record(EventType.MEMBER_JOINED, invitation, Actor.person(user))
    access_changed_on_commit(user.pk)
    return membership


def _record(
    type: EventType, invitation: Invitation, actor: Actor, *, is_renewed: bool = False
) -> None:
    about = EventData(email=invitation.email, role=invitation.role)
    if is_renewed:
        about["is_renewed"] = True
    record_change(invitation.organization_id, type, actor=actor.require_person(), data=about)


def _mail(invitation: Invitation, token: str, origin: str) -> None:
    by = invitation.invited_by
    with time_zone_of(None):
        mail = people_mails.invitation(
            organization=invitation.organization.name,
            role=invitation.role,
            by="The portal's operator" if invitation.is_by_staff or by is None else by.username,
            link=f"{origin}/invitations/{token}",
            ends=invitation.expires_at,
            has_account=accounts.has_account(invitation.email),
        )
    queue_mail(to=invitation.email, subject=mail.subject, body=mail.body)

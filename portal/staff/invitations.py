"""Invitations to the portal's staff."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.enrolled import signs_in_here
from portal.accounts.models import User
from portal.accounts.time_zones import time_zone_of
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core import throttle
from portal.core.errors import Conflict, NotFound
from portal.core.security_log import SecurityEvent, record
from portal.mail.addresses import normal_email
from portal.mail.services import queue_mail
from portal.organizations.invitations import (
    ACCEPTANCES,
    MAX_TOKEN_LENGTH,
    InvitationEnded,
    OtherAddress,
    not_invited,
    require_room,
)
from portal.staff import mails
from portal.staff.models import StaffInvitation, StaffRole
from portal.staff.people import give_role, require_turn, staff, tell_managers

MAILS: Final = throttle.Limit(
    name="staff-invitation-mails",
    tries=60,
    window_s=3600,
    message="The portal's staff have sent too many invitations.",
)


def invite(*, actor: Actor, email: str, role: StaffRole, origin: str) -> StaffInvitation:
    """Send a link that makes its reader a member of the staff. `origin` is the portal's own
    address, for example `https://portal.example`.
    """
    throttle.count(MAILS, "staff")
    with transaction.atomic():
        by, now = require_turn(actor), timezone.now()
        email = normal_email(email)
        if colleague := staff().filter(email__iexact=email).first():
            raise not_invited(
                "already-staff", f"{colleague.username} belongs to the staff with this address."
            )
        require_room(unanswered(), email, now, whose="The staff have")
        invitation = StaffInvitation(email=email, role=role, invited_by=by, created_at=now)
        token = invitation.renew_link(now)
        invitation.save()
        _record(Verb.STAFF_INVITED, invitation, actor)
        _mail(invitation, by, token, origin)
        return invitation


def send_again(*, invitation_id: UUID, actor: Actor, origin: str) -> StaffInvitation:
    """A new link, which is from the person who acts now; the link of the earlier mail ends."""
    throttle.count(MAILS, "staff")
    with transaction.atomic():
        by, now = require_turn(actor), timezone.now()
        invitation = invitation_for(invitation_id)
        invitation.invited_by, token = by, invitation.renew_link(now)
        invitation.save(update_fields=["digest", "invited_by", "sent_at", "expires_at"])
        _record(Verb.STAFF_INVITED, invitation, actor)
        _mail(invitation, by, token, origin)
        return invitation


@transaction.atomic
def revoke(*, invitation_id: UUID, actor: Actor) -> None:
    """The link stops working at once."""
    require_turn(actor)
    invitation = invitation_for(invitation_id)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    _record(Verb.STAFF_INVITATION_REVOKED, invitation, actor)


def unanswered() -> QuerySet[StaffInvitation]:
    """Neither accepted nor revoked; they may have expired. By address."""
    return (
        StaffInvitation.objects.filter(accepted_at__isnull=True, revoked_at__isnull=True)
        .select_related("invited_by")
        .order_by("email")
    )


def invitation_for(invitation_id: UUID) -> StaffInvitation:
    """The only way from an id to an invitation that can still change, which stays locked until the
    transaction ends. NotFound otherwise.
    """
    open_ones = unanswered().select_for_update(of=("self",))
    invitation = open_ones.filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound
    return invitation


def invitation_of(token: str, *, address: str) -> StaffInvitation:
    """The invitation that a link opens now. InvitationEnded, or Throttled."""
    throttle.count(ACCEPTANCES, throttle.subject_of(address))
    invitation = _open().filter(digest=StaffInvitation.digest_of(token[:MAX_TOKEN_LENGTH])).first()
    if invitation is None:
        raise InvitationEnded
    return invitation


def accept(*, token: str, user: User, address: str) -> User:
    """The person who is signed in joins the staff. OtherAddress if another one was invited,
    Conflict for a person who signs in only at an identity provider.
    """
    found = invitation_of(token, address=address)
    if user.email.lower() != found.email:
        raise OtherAddress(found, user)
    if not User.objects.filter(signs_in_here("pk", "password"), pk=user.pk).exists():
        raise Conflict(
            "Your organization's identity provider alone signs you in, and it must not open the "
            "pages of staff. Ask for an invitation to another address.",
            code="no-own-sign-in",
        )
    with transaction.atomic():
        return _join(_still(found), user, address)


def accept_as_new(*, token: str, username: str, password: str, address: str) -> User:
    """A new person, whose address the link proves, joins the staff."""
    found = invitation_of(token, address=address)
    user = accounts.new_account(email=found.email, username=username, password=password)
    with transaction.atomic():
        invitation = _still(found)
        accounts.add_account(user)
        return _join(invitation, user, address)


def _open() -> QuerySet[StaffInvitation]:
    """Of people who are managers still: `/admin/` may have ended that too."""
    return unanswered().filter(
        expires_at__gt=timezone.now(),
        invited_by__is_active=True,
        invited_by__is_staff=True,
        invited_by__is_superuser=True,
    )


def _still(found: StaffInvitation) -> StaffInvitation:
    """The invitation, locked: of two people who accept it at the same time, the second finds it
    accepted. A newer mail may have replaced its link.
    """
    StaffInvitation.objects.select_for_update().filter(pk=found.pk).first()
    still = _open().filter(digest=found.digest).first()
    if still is None:
        raise InvitationEnded
    return still


def _join(invitation: StaffInvitation, user: User, address: str) -> User:
    if user.is_staff:
        raise Conflict("You belong to the staff already.", code="already-staff")
    role = StaffRole(invitation.role)
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    give_role(user, role)
    _record(Verb.STAFF_JOINED, invitation, Actor.person(user))
    mail = mails.colleague_joined(username=user.username, email=invitation.email, role=role)
    tell_managers(mail, besides=[user])
    record(
        SecurityEvent.STAFF_CHANGED,
        user=user.username,
        role=role.value,
        actor=user.username,
        address=address,
    )
    return user


def _record(verb: Verb, invitation: StaffInvitation, actor: Actor) -> None:
    record_entry(
        verb,
        actor=actor,
        about=Object("person", "", invitation.email),
        after={"email": invitation.email, "role": invitation.role},
        is_by_staff=True,
    )


def _mail(invitation: StaffInvitation, by: User, token: str, origin: str) -> None:
    with time_zone_of(None):
        mail = mails.invitation(
            role=StaffRole(invitation.role),
            by=by.username,
            link=f"{origin}/staff-invitations/{token}",
            ends=invitation.expires_at,
            has_account=accounts.has_account(invitation.email),
        )
    queue_mail(to=invitation.email, subject=mail.subject, body=mail.body)

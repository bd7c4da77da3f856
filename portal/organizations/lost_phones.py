"""A lost phone: one admin starts the reset of a member's second factor, and a second one confirms
it, so that no single admin can take over an account whose password they know.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.time_zones import time_zone_of
from portal.core.errors import Conflict, NotFound
from portal.core.typed_lines import MAX_REASON_LENGTH, MIN_REASON_LENGTH, checked_reason
from portal.events.data import EventData
from portal.events.log import lock_log
from portal.events.models import EventType
from portal.mail.services import queue_mail
from portal.organizations import members, people_mails
from portal.organizations.models import FactorReset, Membership, Organization
from portal.organizations.people_mails import PeopleMail
from portal.organizations.recording import record_change

HOLDS: Final = timedelta(hours=24)
"""How long a second admin may take to confirm."""
HOW_CHECKED: Final = (
    f"Say in {MIN_REASON_LENGTH} to {MAX_REASON_LENGTH} characters how you checked who asked."
)


@transaction.atomic
def start(
    *, organization: Organization, user_id: UUID, actor: Actor, reason: str, origin: str
) -> FactorReset:
    """Ask for the reset, and mail the person and the other admins. Nothing changes yet."""
    lock_log(organization.pk)
    members.require_admin(organization, actor)
    starter, membership = actor.require_person(), members.member_for(organization, user_id)
    _refuse(membership, starter)
    reason = checked_reason(reason, HOW_CHECKED)
    now = timezone.now()
    FactorReset.objects.filter(
        organization=organization, user=membership.user, expires_at__lte=now
    ).delete()
    if waiting := _waiting(organization, user_id):
        raise Conflict(
            f"{waiting.started_by.username} has asked for this already. Another admin has to "
            "confirm it.",
            code="reset-waits",
        )
    reset = FactorReset.objects.create(
        organization=organization,
        user=membership.user,
        started_by=starter,
        reason=reason,
        started_at=now,
        expires_at=now + HOLDS,
    )
    about = EventData(user=membership.user.username, reason=reason)
    record_change(organization.pk, EventType.MEMBER_FACTOR_RESET_STARTED, actor=starter, data=about)
    _mail_start(reset, origin)
    return reset


@transaction.atomic
def confirm(*, organization: Organization, user_id: UUID, actor: Actor, address: str) -> None:
    """The second admin's consent: both factors and everything that is signed in end at once."""
    lock_log(organization.pk)
    members.require_admin(organization, actor)
    confirmer, reset = actor.require_person(), _reset_for(organization, user_id)
    if confirmer.pk in (reset.started_by_id, reset.user_id):
        raise Conflict("Another admin than you has to confirm this.", code="second-admin-needed")
    # The person may have joined another organization since.
    _refuse(members.member_for(organization, user_id), reset.started_by)
    user = reset.user
    accounts.reset_second_factor(user=user, actor=confirmer, address=address)
    reset.delete()
    _send(
        user,
        people_mails.reset_done(
            username=user.username,
            organization=organization.name,
            by=reset.started_by.username,
            confirmed_by=confirmer.username,
        ),
    )


@transaction.atomic
def cancel(*, organization: Organization, user_id: UUID, actor: Actor) -> None:
    """An admin, or the person, ends it without a reset."""
    lock_log(organization.pk)
    person = actor.require_person()
    if person.pk != user_id:
        members.require_admin(organization, actor)
    reset = _reset_for(organization, user_id)
    about = EventData(user=reset.user.username)
    record_change(organization.pk, EventType.MEMBER_FACTOR_RESET_CANCELED, actor=person, data=about)
    reset.delete()


def waiting(organization: Organization) -> dict[UUID, FactorReset]:
    """Those that a second admin can confirm now, by the member's id."""
    resets = FactorReset.objects.filter(
        organization=organization, expires_at__gt=timezone.now()
    ).select_related("user", "started_by")
    return {reset.user_id: reset for reset in resets}


def _waiting(organization: Organization, user_id: UUID) -> FactorReset | None:
    return waiting(organization).get(user_id)


def _reset_for(organization: Organization, user_id: UUID) -> FactorReset:
    reset = _waiting(organization, user_id)
    if reset is None:
        raise NotFound("There is no reset to confirm: it was done, canceled, or has expired.")
    return reset


def _refuse(membership: Membership, starter: User) -> None:
    user, organization = membership.user, membership.organization
    if user.pk == starter.pk:
        raise Conflict("Ask another admin to start this for you.", code="not-your-own")
    elsewhere = Membership.objects.filter(user=user).exclude(organization=organization)
    if user.is_staff or elsewhere.exists():
        # A reset here would also open the other organizations. The sentence does not name them.
        raise Conflict(
            f"Only the portal's operator can reset the second factor of {user.username}.",
            code="operator-must-reset",
        )
    others = members.admins(organization).exclude(user__in=[starter, user])
    if not others.exists():
        raise Conflict(
            f"{organization.name} has no second admin who could confirm it. The portal's operator "
            "can reset the second factor.",
            code="no-second-admin",
        )


def _mail_start(reset: FactorReset, origin: str) -> None:
    organization, starter, user = reset.organization, reset.started_by, reset.user
    with time_zone_of(user):
        mail = people_mails.reset_started(
            username=user.username,
            organization=organization.name,
            by=starter.username,
            reason=reset.reason,
            ends=reset.expires_at,
        )
    _send(user, mail)
    for admin in members.admins(organization).exclude(user__in=[starter, user]):
        mail = people_mails.please_confirm(
            admin=admin.user.username,
            username=user.username,
            organization=organization.name,
            by=starter.username,
            reason=reset.reason,
            link=f"{origin}/organizations/{organization.slug}/settings/members/{user.pk}/lost-phone",
        )
        _send(admin.user, mail)


def _send(user: User, mail: PeopleMail) -> None:
    # Staff may have added the person without an address.
    if user.email:
        queue_mail(to=user.email, subject=mail.subject, body=mail.body)

"""A lost phone of a colleague: one manager asks for the reset of the second factor, and a second
one confirms it, as two admins do for a member of their organization.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.managers import managers
from portal.accounts.models import User
from portal.accounts.signals import access_ending
from portal.accounts.time_zones import time_zone_of
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, NotFound
from portal.core.typed_lines import checked_reason
from portal.organizations.lost_phones import HOLDS, HOW_CHECKED
from portal.staff import mails
from portal.staff.models import StaffFactorReset
from portal.staff.people import colleague_for, require_turn


@transaction.atomic
def start(*, user_id: UUID, actor: Actor, reason: str, origin: str) -> StaffFactorReset:
    """Ask for the reset, and mail the person and the other managers. Nothing changes yet."""
    starter, user = require_turn(actor), colleague_for(user_id)
    if user.pk == starter.pk:
        raise Conflict("Ask another manager to start this for you.", code="not-your-own")
    reason = checked_reason(reason, HOW_CHECKED)
    if not managers().exclude(pk__in=[starter.pk, user.pk]).exists():
        raise Conflict(
            "The portal's staff have no second manager who could confirm it. Reset the second "
            "factor on the emergency site.",
            code="no-second-manager",
        )
    now = timezone.now()
    StaffFactorReset.objects.filter(user=user, expires_at__lte=now).delete()
    if earlier := waiting().get(user_id):
        raise Conflict(
            f"{earlier.started_by.username} has asked for this already. Another manager has to "
            "confirm it.",
            code="reset-waits",
        )
    reset = StaffFactorReset.objects.create(
        user=user, started_by=starter, reason=reason, started_at=now, expires_at=now + HOLDS
    )
    _record(Verb.STAFF_FACTOR_RESET_STARTED, user, actor, reason)
    _mail_start(reset, origin)
    return reset


@transaction.atomic
def confirm(*, user_id: UUID, actor: Actor, address: str) -> None:
    """The second manager's consent: all factors and everything that is signed in end at once."""
    # The logs before the person, as everywhere.
    access_ending.send(sender=None, user=colleague_for(user_id))
    confirmer = require_turn(actor, user_id)
    user, reset = colleague_for(user_id), _reset_for(user_id)
    if confirmer.pk in (reset.started_by_id, user.pk):
        raise Conflict(
            "Another manager than you has to confirm this.", code="second-manager-needed"
        )
    accounts.reset_second_factor(user=user, actor=confirmer, address=address)
    accounts.tell(
        user,
        mails.reset_done(
            username=user.username, by=reset.started_by.username, confirmed_by=confirmer.username
        ),
    )
    reset.delete()


@transaction.atomic
def cancel(*, user_id: UUID, actor: Actor) -> None:
    """A manager, or the person, ends it without a reset."""
    person = actor.require_person()
    if person.pk != user_id:
        require_turn(actor)
    reset = _reset_for(user_id)
    _record(Verb.STAFF_FACTOR_RESET_CANCELED, reset.user, actor)
    reset.delete()


def waiting() -> dict[UUID, StaffFactorReset]:
    """Those that a second manager can confirm now, by the id of the person."""
    resets = StaffFactorReset.objects.filter(expires_at__gt=timezone.now())
    return {one.user_id: one for one in resets.select_related("user", "started_by")}


def _reset_for(user_id: UUID) -> StaffFactorReset:
    reset = waiting().get(user_id)
    if reset is None:
        raise NotFound("There is no reset to confirm: it was done, canceled, or has expired.")
    return reset


def _record(verb: Verb, user: User, actor: Actor, reason: str = "") -> None:
    about = Object("person", user.pk, user.username)
    record_entry(verb, actor=actor, about=about, reason=reason, is_by_staff=True)


def _mail_start(reset: StaffFactorReset, origin: str) -> None:
    starter, user = reset.started_by, reset.user
    names = {"username": user.username, "by": starter.username, "reason": reset.reason}
    with time_zone_of(user):
        mail = mails.reset_started(ends=reset.expires_at, **names)
    accounts.tell(user, mail)
    link = f"{origin}/portal/staff/{user.pk}/lost-phone"
    for manager in managers().exclude(pk__in=[starter.pk, user.pk]):
        asked = mails.please_confirm(manager=manager.username, link=link, **names)
        accounts.tell(manager, asked)

"""End all access of a person: after a new password, a lost factor, or when the person leaves."""

from __future__ import annotations

import secrets

from django.db import transaction

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, Authenticator, KnownDevice, RecoveryKit, User
from portal.accounts.signals import second_factor_reset
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import InvalidCredentials
from portal.core.security_log import SecurityEvent, record

EPOCH_BYTES = 16


@transaction.atomic
def end_access(*, user: User) -> None:
    """End every session, token, known device and open socket of the person at once."""
    _lock(user)
    user.access_epoch = secrets.token_urlsafe(EPOCH_BYTES)
    User.objects.filter(pk=user.pk).update(access_epoch=user.access_epoch)
    ApiToken.objects.filter(user=user).delete()
    KnownDevice.objects.filter(user=user).delete()
    access_changed_on_commit(user.pk)


@transaction.atomic
def reset_second_factor(*, user: User, actor: User, address: str) -> None:
    """For a lost phone: delete every factor and end all access.

    Enrolment needs the password again.
    """
    _lock(user)
    Authenticator.objects.filter(user=user).delete()
    RecoveryKit.objects.filter(user=user).delete()
    end_access(user=user)
    # For the person's organizations it is an event.
    record_entry(
        Verb.FACTOR_RESET,
        actor=Actor.person(actor),
        about=Object("person", user.pk, user.username),
        is_by_staff=actor.is_staff,
    )
    second_factor_reset.send(sender=User, user=user, actor=actor)
    record(SecurityEvent.FACTOR_RESET, user=user.username, actor=actor.username, address=address)


def lock_unchanged(user: User) -> None:
    """Lock the row of a person who just signed in. InvalidCredentials if that access has been ended
    since.

    Without the lock, a token could be issued for a password that was replaced after the check.
    """
    if _lock(user).get_session_auth_hash() != user.get_session_auth_hash():
        raise InvalidCredentials


def _lock(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)

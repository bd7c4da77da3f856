"""End all access of a person: after a new password, a lost factor, or when the person leaves."""

from __future__ import annotations

import secrets

from django.db import transaction
from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts.actors import Actor
from portal.accounts.models import (
    ApiToken,
    Authenticator,
    BrowserSession,
    KnownDevice,
    MailedLink,
    RecoveryKit,
    User,
    WhyEnded,
)
from portal.accounts.session_store import end_now
from portal.accounts.signals import (
    access_ended,
    access_ending,
    rights_ending,
    second_factor_reset,
)
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import InvalidCredentials
from portal.core.security_log import SecurityEvent, record

EPOCH_BYTES = 16


@transaction.atomic
def end_access(*, user: User, why: WhyEnded = WhyEnded.ACCESS) -> None:
    """End every session, token, known device, mailed link and open socket of the person at once.
    `why`: what the browsers say at the next sign-in.
    """
    lock_person(user)
    user.access_epoch = secrets.token_urlsafe(EPOCH_BYTES)
    User.objects.filter(pk=user.pk).update(access_epoch=user.access_epoch)
    ApiToken.objects.filter(user=user).delete()
    KnownDevice.objects.filter(user=user).delete()
    browsers = BrowserSession.objects.filter(user=user)
    end_now(browsers.values_list("session_id", flat=True), why)
    browsers.delete()
    MailedLink.objects.filter(user=user).delete()
    access_ended.send(sender=User, user=user)
    access_changed_on_commit(user.pk)


@transaction.atomic
def reset_second_factor(*, user: User, actor: User, address: str) -> None:
    """For a lost phone: delete every factor and end all access.

    Enrolment needs the password again.
    """
    # The logs before the person, as everywhere.
    access_ending.send(sender=None, user=user)
    rights_ending.send(sender=None, user=user)
    lock_person(user)
    Authenticator.objects.filter(user=user).delete()
    RecoveryKit.objects.filter(user=user).delete()
    WebAuthnCredential.objects.filter(user=user).delete()
    end_access(user=user, why=WhyEnded.FACTOR)
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
    if lock_person(user).get_session_auth_hash() != user.get_session_auth_hash():
        raise InvalidCredentials


def lock_person(user: User) -> User:
    """Lock the row of the person and return it as it is now. Call it in a transaction."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)

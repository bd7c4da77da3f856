"""The second factors of one person: list, add another app, rename, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django_otp.models import Device
from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts import account_mails
from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.models import (
    MAX_FACTOR_NAME_LENGTH,
    Authenticator,
    RecoveryCode,
    User,
)
from portal.accounts.services.end_access import lock_person
from portal.accounts.services.enrolment import (
    TRIES_PER_ADDRESS,
    new_recovery_codes,
    proved_authenticator,
)
from portal.accounts.services.sign_in_limits import count_try
from portal.accounts.services.tell import tell
from portal.audit.recording import Object
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.broadcast import access_changed_on_commit
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.security_log import SecurityEvent, record

MAX_AUTHENTICATORS: Final = 5
KINDS: Final[dict[str, Any]] = {"app": Authenticator, "passkey": WebAuthnCredential}
"""The factors that have a name and can be removed, as URLs call them. Recovery codes only help
when those are lost.
"""
LAST: Final = {
    "app": "This is your only authenticator app. Add another one first.",
    "passkey": "This is your only second factor. Add another one first.",
}


@dataclass(frozen=True, slots=True)
class Factor:
    """One second factor as its person sees it."""

    kind: str
    id: int
    name: str
    added_at: datetime | None
    last_used_at: datetime | None


def factors_of(user: User) -> list[Factor]:
    """The oldest first, apps before passkeys."""
    return [
        Factor(kind, one.pk, one.name, one.created_at, one.last_used_at)
        for kind, model in KINDS.items()
        for one in model.objects.filter(user=user, confirmed=True).order_by("pk")
    ]


def is_last(kind: str, own: Sequence[Factor]) -> bool:
    """Whether a factor of this kind must stay: a person's only app, by whose codes programs sign
    in, and so do browsers that know no passkey of the person; and the only factor.
    """
    return len(own) == 1 or (kind == "app" and sum(one.kind == "app" for one in own) == 1)


def recovery_codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(kit__user=user, kit__confirmed=True).count()


def add_authenticator(
    *, user: User, key: bytes, code: str, name: str, address: str
) -> Authenticator:
    """Another app, after the first code from it. Raises Invalid at the field, Conflict if there are
    too many, or Throttled.
    """
    count_try(TRIES_PER_ADDRESS, username=user.username, address=address, step="enrolment")
    with transaction.atomic():
        person = lock_person(user)
        name = free_name(person, name)
        own = Authenticator.objects.filter(user=person)
        if own.count() >= MAX_AUTHENTICATORS:
            raise Conflict(
                f"You have {MAX_AUTHENTICATORS} apps, which is the limit. Remove one first.",
                code="too-many-factors",
            )
        if key in [secrets.try_decrypt(one.encrypted_key) for one in own]:
            # Its codes would count twice.
            raise Conflict("This app is one of yours already.", code="same-app")
        device = proved_authenticator(user=person, key=key, code=code, name=name)
        note_added(person, device)
    record(SecurityEvent.FACTOR_ENROLLED, user=person.username, address=address, factor=name)
    return device


def note_added(person: User, device: Device) -> None:
    """Record and mail it, in the transaction that saves it."""
    record_about(
        Verb.FACTOR_ENROLLED,
        person,
        actor=Actor.person(person),
        about=Object("factor", device.pk, device.name),
    )
    tell(person, account_mails.factor_added(username=person.username, factor=device.name))


@transaction.atomic
def rename_factor(*, user: User, kind: str, factor_id: int, name: str) -> None:
    """Raises Invalid at the field, or NotFound for a factor of someone else."""
    person = lock_person(user)
    device = _factor_of(person, kind, factor_id)
    if " ".join(name.split()) == device.name:
        return
    before, device.name = device.name, free_name(person, name)
    device.save(update_fields=["name"])
    record_about(
        Verb.FACTOR_RENAMED,
        person,
        actor=Actor.person(person),
        about=Object("factor", device.pk, before),
        before={"name": before},
        after={"name": device.name},
    )


@transaction.atomic
def remove_factor(*, user: User, kind: str, factor_id: int) -> None:
    """Browsers that signed in with it are signed out. Raises NotFound, or Conflict for the last
    app.
    """
    person = lock_person(user)
    device = _factor_of(person, kind, factor_id)
    if is_last(kind, factors_of(person)):
        raise Conflict(LAST[kind], code="last-factor")
    number, name = device.pk, device.name
    device.delete()
    record_about(
        Verb.FACTOR_REMOVED,
        person,
        actor=Actor.person(person),
        about=Object("factor", number, name),
    )
    tell(person, account_mails.factor_removed(username=person.username, factor=name))
    access_changed_on_commit(person.pk)
    record(SecurityEvent.FACTOR_REMOVED, user=person.username, factor=name)


@transaction.atomic
def renew_recovery_codes(*, user: User) -> tuple[str, ...]:
    """New recovery codes, which are never shown again; the old ones stop working."""
    person = lock_person(user)
    codes = new_recovery_codes(user=person)
    record_about(Verb.RECOVERY_CODES_RENEWED, person, actor=Actor.person(person))
    tell(person, account_mails.recovery_codes_renewed(username=person.username))
    record(SecurityEvent.RECOVERY_CODES_RENEWED, user=person.username)
    return codes


def free_name(person: User, typed: str) -> str:
    """The name of a factor as it is saved. Invalid if it is empty, too long or taken."""
    name = " ".join(typed.split())
    if not name:
        raise _wrong_name("blank", "Give it a name, such as the phone it is on.")
    if len(name) > MAX_FACTOR_NAME_LENGTH:
        raise _wrong_name("too-long", f"At most {MAX_FACTOR_NAME_LENGTH} characters are allowed.")
    if not name.isprintable():
        raise _wrong_name(
            "odd-characters", "This contains characters that are not allowed. Type it again."
        )
    if any(one.name.casefold() == name.casefold() for one in factors_of(person)):
        raise _wrong_name("name-taken", f"You have a factor with the name {name} already.")
    return name


def _factor_of(person: User, kind: str, factor_id: int) -> Device:
    if kind not in KINDS:
        raise NotFound
    found: list[Device] = list(
        KINDS[kind].objects.filter(user=person, confirmed=True, pk=factor_id)
    )
    if not found:
        raise NotFound
    return found[0]


def _wrong_name(code: str, message: str) -> Invalid:
    return Invalid.at("name", code, message)

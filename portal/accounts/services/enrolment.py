"""Setting up a second factor.

One session shows the key, which belongs to the person only after the first correct code.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import transaction

from portal.accounts.actors import Actor
from portal.accounts.audited import record_about
from portal.accounts.enrolled import has_factor
from portal.accounts.models import Authenticator, RecoveryCode, RecoveryKit, User
from portal.accounts.services.end_access import lock_unchanged
from portal.accounts.services.sign_in_limits import count_try
from portal.audit.verbs import Verb
from portal.core import secrets as sealed
from portal.core import throttle
from portal.core.errors import Conflict, Invalid
from portal.core.security_log import SecurityEvent, record

TRIES_PER_ADDRESS: Final = throttle.Limit(
    name="enrolment-address", tries=20, window_s=60, message="Too many tries from this address."
)
KEY_BYTES: Final = 20
MAX_CODE_LENGTH: Final = 64
RECOVERY_CODES: Final = 10
RECOVERY_CODE_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
RECOVERY_CODE_LENGTH: Final = 24
"""120 bits, too many to guess from the hash (ASVS 5.0 6.5.2 requires 112)."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person needs to set up an authenticator app."""

    username: str
    key: bytes

    @property
    def base32_key(self) -> str:
        return b32encode(self.key).decode("ascii")

    @property
    def otpauth_uri(self) -> str:
        """The content of the QR code."""
        issuer = settings.PORTAL_NAME.replace(":", "")
        label = quote(f"{issuer}:{self.username}")
        query = urlencode({"secret": self.base32_key, "issuer": issuer}, quote_via=quote)
        return f"otpauth://totp/{label}?{query}"


def begin_enrolment(*, user: User) -> Enrolment:
    """A new key. Conflict if the person already has a second factor."""
    refuse_second_enrolment(user)
    return new_key(user=user)


def new_key(*, user: User) -> Enrolment:
    """For the first app or for another one."""
    return Enrolment(username=user.get_username(), key=secrets.token_bytes(KEY_BYTES))


def confirm_enrolment(
    *, user: User, key: bytes, code: str, address: str
) -> tuple[Authenticator, tuple[str, ...]]:
    """The first code proves that the app has `key`. Creates the authenticator, and recovery codes
    that are never shown again.
    """
    count_try(TRIES_PER_ADDRESS, username=user.username, address=address, step="enrolment")
    with transaction.atomic():
        # Two sessions that enrol at the same time take turns.
        lock_unchanged(user)
        refuse_second_enrolment(user)
        device = proved_authenticator(user=user, key=key, code=code, name="App")
        codes = new_recovery_codes(user=user)
        record_about(
            Verb.FACTOR_ENROLLED, user, actor=Actor.person(user), address=address, factor=device
        )
    record(SecurityEvent.FACTOR_ENROLLED, user=user.username, address=address)
    return device, codes


def proved_authenticator(*, user: User, key: bytes, code: str, name: str) -> Authenticator:
    """Save an authenticator whose app shows `code`. Invalid at the field `code` if it does not."""
    device = Authenticator(user=user, name=name, encrypted_key=sealed.encrypt(key))
    if not device.take("".join(code[:MAX_CODE_LENGTH].split())):
        message = (
            "That code did not match. Type the one the app shows now, and check the phone's clock."
        )
        raise Invalid.at("code", "code-mismatch", message)
    return device


@transaction.atomic
def new_recovery_codes(*, user: User) -> tuple[str, ...]:
    """New recovery codes; the old ones stop working."""
    RecoveryKit.objects.filter(user=user).delete()
    kit = RecoveryKit.objects.create(user=user, name="Recovery codes", confirmed=True)
    codes = tuple(_recovery_code() for _ in range(RECOVERY_CODES))
    RecoveryCode.objects.bulk_create(
        RecoveryCode(kit=kit, digest=RecoveryCode.digest_of(code)) for code in codes
    )
    return codes


def refuse_second_enrolment(user: User) -> None:
    """Conflict if the person has a factor: others are added on the page Me."""
    if has_factor(user):
        raise Conflict("You have a second factor already. Add another one on the page Me.")


def _recovery_code() -> str:
    letters = [secrets.choice(RECOVERY_CODE_ALPHABET) for _ in range(RECOVERY_CODE_LENGTH)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, len(letters), 4))

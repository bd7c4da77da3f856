"""People, their credentials, and the devices that act for them."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.utils import timezone
from django_otp.models import Device, TimestampMixin
from django_otp.oath import TOTP
from knox.crypto import hash_token
from knox.models import AbstractAuthToken, AuthTokenManager
from knox.settings import knox_settings

from portal.accounts import token_text
from portal.accounts.acting import Acting
from portal.accounts.scopes import Scope
from portal.accounts.session_models import (
    MAX_USER_AGENT,
    BrowserSession,
    EndedSession,
    WhyEnded,
)
from portal.core import secrets

__all__ = [
    "MAX_USER_AGENT",
    "BrowserSession",
    "EndedSession",
    "WhyEnded",
]

CODE_DIGITS = 6
CODE_STEP_S = 30
CODE_TOLERANCE_STEPS = 1
MAX_DISPLAY_NAME_LENGTH = 100
MAX_FACTOR_NAME_LENGTH = 64
MAX_COUNTED_FAILURES = 10
"""Each failure doubles the wait, up to 2⁹ seconds, so that no person is locked out permanently."""


class User(AbstractUser):
    """A person. Memberships decide what a person may do."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    access_epoch = models.CharField(
        max_length=32, default="", db_default="", blank=True, editable=False
    )
    """A random word that each session was opened with.

    A new word ends all sessions (services.end_access).
    """
    display_name = models.CharField(
        max_length=MAX_DISPLAY_NAME_LENGTH, default="", db_default="", blank=True
    )
    """What colleagues read beside the name for signing in; empty if the person gave none."""

    time_zone = models.CharField(max_length=64, default="", db_default="", blank=True)
    """In which the person reads times, as in IANA's list; empty: in UTC."""

    must_change_password = models.BooleanField(default=False, db_default=False)
    """Someone else chose the password: who signs in with it first has to choose another one."""
    password_is_own: bool = False
    """Not a column: the person chose the password that is saved next."""

    is_verified: Callable[[], bool]
    """Whether the second factor was given. django-otp sets it on a request's user."""
    may_act: Acting | None = None
    """For which organization the credential of this call may act: of the portal's staff only."""
    acting: Acting | None = None
    """The same, once this call found that it concerns that organization."""
    acting_token: ApiToken | None = None
    """Not a column: the token by which this person makes the current call; None with a session."""

    def save(self, *args: Any, **kwargs: Any) -> None:
        # One transaction saves a new password and ends the access under the old one
        # (portal.accounts.passwords).
        with transaction.atomic():
            super().save(*args, **kwargs)

    def set_unusable_password(self) -> None:
        super().set_unusable_password()
        # Django calls the validators only for typed passwords. Removing a password must end access
        # too.
        self._password = ""

    def get_session_auth_hash(self) -> str:
        return self._with_epoch(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return map(self._with_epoch, super().get_session_auth_fallback_hash())

    def _with_epoch(self, password_hash: str) -> str:
        # Sessions that are older than epochs stay open.
        return f"{password_hash}.{self.access_epoch}" if self.access_epoch else password_hash


class LinkPurpose(models.TextChoices):
    """What a link in a mail changes."""

    PASSWORD = "password"  # noqa: S105 - no password
    EMAIL = "email"


class MailedLink(models.Model):
    """The newest link of a purpose that was mailed to a person. It works once, so its use deletes
    the row. Only the hash of its random word is saved.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mailed_links")
    purpose = models.CharField(max_length=16, choices=LinkPurpose.choices)
    digest = models.CharField(max_length=64, unique=True)
    email = models.EmailField()
    """The address that it was mailed to."""
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "purpose"], name="one_link_per_purpose"),
        ]

    def __str__(self) -> str:
        return f"a link to change the {self.purpose} of {self.user_id}"

    @staticmethod
    def digest_of(token: str) -> str:
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class ForgottenPassword(models.Model):
    """A name or address that someone typed who forgot the password. It waits for the worker, which
    deletes it.
    """

    typed = models.CharField(max_length=254, blank=True)
    address = models.CharField(max_length=64, blank=True)
    """The browser's."""
    origin = models.CharField(max_length=300)
    """The portal's own, for the link."""
    asked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"a password forgotten at {self.asked_at}"


class CountsWrongCodes(models.Model):
    """Each further wrong code in a row doubles the wait before the next one.

    Call with the row locked.
    """

    throttling_failure_count = models.PositiveIntegerField(default=0)
    throttling_failure_timestamp = models.DateTimeField(null=True, blank=True, default=None)

    class Meta:
        abstract = True

    def wait_s(self, now: datetime) -> int:
        """Seconds until the next code is accepted; 0: now."""
        if not self.throttling_failure_count or self.throttling_failure_timestamp is None:
            return 0
        passed_s = (now - self.throttling_failure_timestamp).total_seconds()
        return max(0, math.ceil(2.0 ** (self.throttling_failure_count - 1) - passed_s))

    def note_code(self, *, matched: bool, now: datetime) -> None:
        count = 0 if matched else min(self.throttling_failure_count + 1, MAX_COUNTED_FAILURES)
        self.throttling_failure_count = count
        self.throttling_failure_timestamp = None if matched else now
        self.save(update_fields=["throttling_failure_count", "throttling_failure_timestamp"])


class SecondFactor(TimestampMixin, CountsWrongCodes, Device):
    """A second factor. It counts the wrong codes from unknown devices."""

    class Meta:
        abstract = True

    def take(self, token: str) -> bool:
        """Whether the code matches. Raises SecretUnreadable.

        Saves that it was used, since each code works once. Call with the row locked.
        """
        raise NotImplementedError


class Authenticator(SecondFactor):
    """An app that shows a code every 30 seconds (RFC 6238). Its key is encrypted at rest.

    The row is created after the first correct code; until then the key is in the session that shows
    it (enrolment.py).
    """

    encrypted_key = models.BinaryField()
    last_step = models.BigIntegerField(default=-1)
    """The time step of the last accepted code, so that each code works once."""

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"

    def take(self, token: str) -> bool:
        if len(token) != CODE_DIGITS or not (token.isascii() and token.isdigit()):
            return False
        totp = TOTP(secrets.decrypt(self.encrypted_key), step=CODE_STEP_S, digits=CODE_DIGITS)
        totp.time = time.time()
        if not totp.verify(int(token), CODE_TOLERANCE_STEPS, self.last_step + 1):
            return False
        self.last_step = totp.t()
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True


class RecoveryKit(SecondFactor):
    """The codes a person stores in case the app is lost.

    They are too long to guess, so wrong ones cause no wait.
    """

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"

    def take(self, token: str) -> bool:
        deleted, _ = self.codes.filter(digest=RecoveryCode.digest_of(token)).delete()
        if deleted:
            self.set_last_used_timestamp()
        return deleted > 0


class RecoveryCode(models.Model):
    """One unused recovery code, hashed: it has 120 random bits (80 if made before 2026-12), so a
    plain hash is enough.
    """

    kit = models.ForeignKey(RecoveryKit, on_delete=models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kit", "digest"], name="recovery_code_once"),
        ]

    def __str__(self) -> str:
        return f"a recovery code of {self.kit_id}"

    @staticmethod
    def digest_of(code: str) -> str:
        """Ignores spaces, hyphens and case."""
        plain = "".join(char for char in code.lower() if char.isalnum())
        return hashlib.sha256(plain.encode()).hexdigest()


class KnownDevice(CountsWrongCodes):
    """A browser or program from which this person signed in before. Its attempts are counted
    separately.

    It has a secret, in a cookie or beside its token, and gets a new one at each sign-in. This table
    stores only hashes.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_devices")
    digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, blank=True, default="")
    """Digest of the previous secret, which stays valid because the response with the new one may
    have been lost.
    """
    last_used_at = models.DateTimeField()
    is_program = models.BooleanField(default=False, db_default=False)
    """Programs have a separate limit, so that a program that loses its secret does not displace a
    browser.
    """

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "digest"], name="known_device_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["digest"], name="known_device_digest"),
            models.Index(fields=["previous_digest"], name="known_device_previous"),
        ]

    def __str__(self) -> str:
        return f"a device of {self.user_id}"

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class TokenManager(AuthTokenManager):
    """Makes tokens with our prefix and checksum."""

    def create(  # type: ignore[override]
        self, user: User, expiry: timedelta | None = knox_settings.TOKEN_TTL, **fields: Any
    ) -> tuple[ApiToken, str]:
        """The row, and the text that is never shown again. `expiry`: from now on; None: never."""
        plain = token_text.make(token_text.PERSON)
        row = models.Manager.create(
            self,
            user=user,
            digest=hash_token(plain),
            token_key=plain[: token_text.HINT_LENGTH],
            expiry=None if expiry is None else timezone.now() + expiry,
            **fields,
        )
        return row, plain


class ApiToken(AbstractAuthToken):
    """A program or phone that acts for a person, until it expires or ends. Only a hash is
    stored.
    """

    device_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    device_name = models.CharField(max_length=64)
    last_used_at = models.DateTimeField(null=True)
    last_used_address = models.CharField(max_length=64, default="", db_default="")
    factor_at = models.DateTimeField(null=True)
    """When the second factor was last given for it."""
    first_step_at = models.DateTimeField(null=True)
    """When the password was last given for it."""
    is_named = models.BooleanField(default=False, db_default=False)
    """The person made it for a program; the others come from a sign-in of an app."""
    is_federated = models.BooleanField(default=False, db_default=False)
    """Made in a session that an identity provider opened: portal.sso ends it."""
    scope = models.CharField(
        max_length=8, choices=Scope.choices, default=Scope.ADMIN, db_default=Scope.ADMIN
    )
    allowed_networks = models.CharField(max_length=1000, default="", db_default="")
    """Separated by spaces; empty: everywhere (portal.accounts.networks)."""

    objects: ClassVar[TokenManager] = TokenManager()

    class Meta:
        indexes: ClassVar = [
            # for the sign-in that removes the oldest token
            models.Index(fields=["user", "created"], name="token_oldest_first"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(scope__in=Scope.values), name="scope_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_name} of {self.user_id}"

    @property
    def audit_name(self) -> str:
        """How an audit entry names the token by which someone acted."""
        return f"{self.device_id}:{self.device_name}"

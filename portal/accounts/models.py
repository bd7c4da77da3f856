"""People, what proves who they are, and the devices that act for them."""

from __future__ import annotations

import hashlib
import time
import uuid
from base64 import b32encode
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP
from knox.models import AbstractAuthToken, AuthTokenManager

from portal.core import secrets

CODE_DIGITS = 6
CODE_STEP_S = 30
CODE_TOLERANCE_STEPS = 1
MAX_COUNTED_FAILURES = 10
"""Each failure doubles the wait: at most 2⁹ seconds, so that nobody is kept out for good."""


class User(AbstractUser):
    """A person. What they may do is decided by their memberships."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    is_verified: Callable[[], bool]
    """Whether the second factor was given; set by django-otp on the person of a request."""


class SecondFactor(TimestampMixin, ThrottlingMixin, Device):
    """What a person has beside the password. Wrong codes make the next one wait."""

    class Meta:
        abstract = True

    def get_throttle_factor(self) -> float:
        return 1

    def verify_token(self, token: str) -> bool:
        """Call with the row locked."""
        if not self.verify_is_allowed()[0]:
            return False
        if not self.take(token):
            self.throttling_failure_count = min(
                self.throttling_failure_count, MAX_COUNTED_FAILURES - 1
            )
            self.throttle_increment()
            return False
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True

    def take(self, token: str) -> bool:
        """Whether the code matches; it never will again."""
        raise NotImplementedError


class Authenticator(SecondFactor):
    """An app that shows a code every 30 seconds (RFC 6238). Its key is encrypted at rest."""

    encrypted_key = models.BinaryField()
    last_step = models.BigIntegerField(default=-1)
    """The time step of the last code that was taken: no code counts twice."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(confirmed=False),
                name="one_enrolment_at_a_time",
            ),
        ]

    @property
    def base32_key(self) -> str:
        return b32encode(secrets.decrypt(self.encrypted_key)).decode("ascii")

    @property
    def otpauth_uri(self) -> str:
        """What the QR code says."""
        issuer = settings.PORTAL_NAME.replace(":", "")
        label = quote(f"{issuer}:{self.user.get_username()}")
        query = urlencode({"secret": self.base32_key, "issuer": issuer}, quote_via=quote)
        return f"otpauth://totp/{label}?{query}"

    def take(self, token: str) -> bool:
        if len(token) != CODE_DIGITS or not (token.isascii() and token.isdigit()):
            return False
        totp = TOTP(secrets.decrypt(self.encrypted_key), step=CODE_STEP_S, digits=CODE_DIGITS)
        totp.time = time.time()
        if not totp.verify(int(token), CODE_TOLERANCE_STEPS, self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True


class RecoveryKit(SecondFactor):
    """The codes a person keeps for the day the app is gone."""

    def take(self, token: str) -> bool:
        deleted, _ = self.codes.filter(digest=RecoveryCode.digest_of(token)).delete()
        return deleted > 0


class RecoveryCode(models.Model):
    """One unused recovery code, hashed: it has 80 random bits, so a plain hash will do."""

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
        """However it was typed: spaces, hyphens and capitals do not matter."""
        plain = "".join(char for char in code.lower() if char.isalnum())
        return hashlib.sha256(plain.encode()).hexdigest()


class ApiToken(AbstractAuthToken):
    """A device that acts for a person, until it expires or is signed out. Only a hash is kept."""

    device_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    device_name = models.CharField(max_length=64)
    last_used_at = models.DateTimeField(null=True)

    objects: ClassVar[AuthTokenManager] = AuthTokenManager()

    class Meta:
        indexes: ClassVar = [
            # the sign-in that makes room for a new device
            models.Index(fields=["user", "created"], name="token_oldest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.device_name} of {self.user_id}"

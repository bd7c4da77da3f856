"""The portal's errors: a sentence for people and a code for programs.

PortalError
├── NotSignedIn 401        └── InvalidCredentials
├── NotAllowed 403         ├── SecondFactorRequired
│                          ├── OtherSignInRequired
│                          └── FreshFactorRequired
├── NotFound 404
├── Conflict 409
├── Invalid 400            └── IdempotencyKeyReused 422
├── Throttled 429
└── Unavailable 503        └── SecretUnreadable
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from portal.core.targets.model import Suggestion

PORTAL_FAILED: Final = "portal-failed"
"""The code of a defect of the portal, with status 500."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A value that could replace the wrong one, and the label of its button."""

    label: str
    value: str
    "commas separate several targets; empty: remove the value"
    suggestion: Suggestion = field(default_factory=Suggestion)
    "the same for programs: targets, and the ports and protocols to add"


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field, with the field's path in the API ("targets.prefixes.0")."""

    field: str
    code: str
    message: str
    fixes: Sequence[Fix] = ()


class PortalError(Exception):
    """The base of all errors that are shown to people or programs."""

    code: str = "error"
    http_status: ClassVar[int] = 400
    title: ClassVar[str] = "The portal could not do this"
    retry_after_s: int = 0
    """seconds after which a retry may succeed; 0 if unknown"""

    def __init__(
        self, message: str, *, code: str | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.errors = tuple(errors)

    @property
    def members(self) -> Mapping[str, object]:
        """Extension members for programs, beside code and message (RFC 9457 section 3.2)."""
        return {}


class NotSignedIn(PortalError):
    code = "not-signed-in"
    http_status = 401
    title = "Sign in first"


class InvalidCredentials(NotSignedIn):
    """The same error for every wrong part."""

    code = "invalid-credentials"
    title = "Sign-in did not match"

    def __init__(self) -> None:
        super().__init__("The name, password or code did not match.")


class NotAllowed(PortalError):
    code = "not-allowed"
    http_status = 403
    title = "Your role does not allow this"


class SecondFactorRequired(NotAllowed):
    code = "second-factor-required"
    title = "A second factor is missing"


class OtherSignInRequired(NotAllowed):
    """The password is right, but the person's organization requires single sign-on."""

    code = "single-sign-on-required"
    title = "Use single sign-on"

    def __init__(self) -> None:
        super().__init__("Your organization requires single sign-on. Your password does not work.")


class FreshFactorRequired(NotAllowed):
    """The second factor was given too long ago for this act (portal.accounts.services.step_up)."""

    code = "fresh-factor-required"
    title = "Confirm with a code"

    def __init__(self) -> None:
        super().__init__("This needs a code that was given within the last 5\u00a0minutes.")


class FreshSignInRequired(FreshFactorRequired):
    """The password or the second factor was given too long ago for a change of what signs a person
    in (portal.accounts.services.step_up).
    """

    code = "fresh-sign-in-required"
    title = "Confirm with your password and a code"

    def __init__(self) -> None:
        NotAllowed.__init__(
            self,
            "This needs your password and a code that were given within the last 5\u00a0minutes.",
        )


class PasswordChangeRequired(NotAllowed):
    """Someone else chose the password."""

    code = "password-change-required"
    title = "Choose your own password"

    def __init__(self) -> None:
        super().__init__(
            "Someone else set your password. Choose your own one first: nothing else is open."
        )


class NotFound(PortalError):
    code = "not-found"
    http_status = 404
    title = "Not found"

    def __init__(self, message: str = "This does not exist, or it is not yours.") -> None:
        super().__init__(message)


class Conflict(PortalError):
    code = "conflict"
    http_status = 409
    title = "Conflict with the current state"


class Invalid(PortalError):
    code = "invalid"
    http_status = 400
    title = "Something needs correcting"

    @classmethod
    def at(cls, field: str, code: str, message: str) -> Self:
        """One wrong field, whose sentence says all."""
        return cls(message, errors=[FieldError(field, code, message)])


class IdempotencyKeyReused(Invalid):
    code = "idempotency-key-reused"
    http_status = 422
    title = "This key was used for something else"


class Throttled(PortalError):
    """Too many attempts. The message says when the next one is possible."""

    code = "throttled"
    http_status = 429
    title = "Too many tries"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(PortalError):
    """The portal fails at something it needs. Requests at the providers continue."""

    code = "unavailable"
    http_status = 503
    title = "The portal cannot do this right now"

    def __init__(self, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SecretUnreadable(Unavailable):
    """No key of PORTAL_ENCRYPTION_KEYS decrypts a saved secret."""

    code = "secret-unreadable"

    def __init__(
        self,
        message: str = "The portal cannot decrypt a secret that this needs. Its log says which "
        "setting is wrong. Live requests continue.",
    ) -> None:
        super().__init__(message)

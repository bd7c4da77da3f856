"""What an identity provider says about a person, read from claims that were verified. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from portal.organizations.models import Role
from portal.sso.models import GroupRole

FACTORS: Final = frozenset({"mfa", "otp", "hwk", "swk", "sc", "fido"})
"""Values of `amr` (RFC 8176; fido by use) that show a second factor. Not `sms`, `pin` or `user`."""
MAX_GROUPS: Final = 500
MAX_METHODS: Final = 20
_MAX_TEXT: Final = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """About one person, at one sign-in."""

    issuer: str
    subject: str
    email: str = ""
    "in lower case; empty: none was given"
    is_email_verified: bool = False
    groups: Sequence[str] | None = None
    "None: the claim is missing, or groups do not matter"
    methods: Sequence[str] = ()
    "`amr`: how the person signed in there"
    authenticated_at: datetime | None = None
    "`auth_time`: when the person last gave the factors there"
    claims: Sequence[str] = ()
    "the names of all claims that arrived, for the test"

    @property
    def shows_factor(self) -> bool:
        return not FACTORS.isdisjoint(self.methods)

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]


def statements_of(claims: Mapping[str, Any], groups_claim: str) -> Statements:
    """`claims` have a checked `iss` and `sub`; everything else may have any type."""
    return Statements(
        issuer=claims["iss"],
        subject=claims["sub"],
        email=_text(claims.get("email")).lower(),
        # The text "true" is sent by some, and says nothing that the standard defines.
        is_email_verified=claims.get("email_verified") is True,
        groups=_texts(claims[groups_claim], MAX_GROUPS) if groups_claim in claims else None,
        methods=_texts(claims.get("amr"), MAX_METHODS),
        authenticated_at=_time(claims.get("auth_time")),
        claims=tuple(sorted(claims)),
    )


def mapped_role(groups: Iterable[str], roles: Sequence[GroupRole]) -> Role | None:
    """The highest role of the groups; None if no group has one."""
    own = set(groups)
    found = [Role(one.role) for one in roles if one.group in own]
    return max(found, key=list(Role).index, default=None)


def _text(value: object) -> str:
    is_usable = isinstance(value, str) and len(value) <= _MAX_TEXT and value.isprintable()
    return str(value) if is_usable else ""


def _texts(value: object, at_most: int) -> tuple[str, ...]:
    many = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(text for one in many[:at_most] if (text := _text(one)))


def _time(value: object) -> datetime | None:
    # The years 1970 to 2286.
    is_time = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**10
    return datetime.fromtimestamp(value, UTC) if is_time else None  # type: ignore[arg-type]

"""Whether a person has a second factor of the portal: an authenticator app or a passkey. A person
without one sets one up at the next sign-in.
"""

from __future__ import annotations

from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts.models import Authenticator, User

FACTORS: Final[tuple[type[Model], ...]] = (Authenticator, WebAuthnCredential)


def has_factor(user: User) -> bool:
    return any(_confirmed(kind, user=user).exists() for kind in FACTORS)


def has_app(user: User) -> bool:
    return _confirmed(Authenticator, user=user).exists()


def factor_exists(column: str) -> Q:
    """The same in a query: of the person whose id is in `column` of its rows."""
    app, passkey = (Exists(_confirmed(kind, user=OuterRef(column))) for kind in FACTORS)
    return Q(app) | Q(passkey)


def signs_in_here(column: str, password: str) -> Q:
    """In a query: whether a person can sign in without an identity provider, by a passkey, or by a
    password and a second factor. `password`: the path to the person's password from its rows.
    """
    app, passkey = (Exists(_confirmed(kind, user=OuterRef(column))) for kind in FACTORS)
    has_password = ~Q(**{f"{password}__startswith": UNUSABLE_PASSWORD_PREFIX})
    return Q(passkey) | (Q(app) & has_password)


def _confirmed(kind: type[Model], **which: object) -> QuerySet[Model]:
    return kind._default_manager.filter(confirmed=True, **which)

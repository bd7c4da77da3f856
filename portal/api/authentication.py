"""The callers: a device with a token, or a page whose session has its second factor."""

from __future__ import annotations

from typing import Final

from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.request import Request

from portal.accounts import access, services
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.accounts.services.step_up import Credential
from portal.core.errors import NotSignedIn, SecondFactorRequired
from portal.organizations import access as organizations

SCHEME: Final = "Bearer"


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, plain = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        slug = request.parser_context["kwargs"].get("slug")
        token = (
            access.token_for(plain.strip())
            if slug is None
            else organizations.token_for(plain.strip(), slug)
        )
        if token is None:
            raise NotSignedIn("This token is unknown, was signed out, or has expired.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class VerifiedSession(SessionAuthentication):
    """The session cookie of the pages, with CSRF token."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        if not isinstance(user, User) or not user.is_verified():
            raise SecondFactorRequired("Sign in with your second factor first.")
        return user, None


def caller(request: Request) -> User:
    """The calling person; every view except sign-in has one."""
    if not isinstance(request.user, User):
        raise NotSignedIn("Sign in first.")
    return request.user


def credential_of(request: Request) -> Credential:
    """By which the call acts: its token, or the session of the page."""
    return request.auth if isinstance(request.auth, ApiToken) else request.session


def require_fresh_factor(request: Request) -> None:
    """FreshFactorRequired unless the caller gave the second factor within FRESH_FOR."""
    services.require_fresh_factor(credential_of(request))


def actor_of(request: Request) -> Actor:
    return Actor.person(caller(request))

"""The callers: a device with a token, or a page whose session has its second factor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from portal.accounts import access, services
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.accounts.services.sessions import must_choose_password
from portal.accounts.services.step_up import Credential
from portal.core.addresses import address_of
from portal.core.errors import NotAllowed, NotSignedIn, PasswordChangeRequired, SecondFactorRequired
from portal.organizations import access as organizations
from portal.organizations.acting import may_act
from portal.organizations.models import Membership, Role, ServiceToken
from portal.organizations.service_tokens import is_service_token, service_token_for

if TYPE_CHECKING:
    # The framework's views import this module.
    from rest_framework.views import APIView

SCHEME: Final = "Bearer"
UNKNOWN_TOKEN: Final = "This token is unknown, was signed out, or has expired."  # noqa: S105 - words


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer <token>`, of a person or of an organization."""

    def authenticate(
        self, request: Request
    ) -> tuple[User, ApiToken] | tuple[ServiceToken, ServiceToken] | None:
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        plain, address = text.strip(), address_of(request)
        if is_service_token(plain):
            own = service_token_for(plain, address)
            if own is None:
                raise NotSignedIn(UNKNOWN_TOKEN)
            return own, own
        slug = request.parser_context["kwargs"].get("slug")
        token = (
            access.token_for(plain, address)
            if slug is None
            else organizations.token_for(plain, slug, address)
        )
        if token is None:
            raise NotSignedIn(UNKNOWN_TOKEN)
        if token.user.is_staff:
            token.user.may_act = may_act(token.user, token)
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
        if must_choose_password(request.session):
            raise PasswordChangeRequired
        if user.is_staff:
            user.may_act = may_act(user, request.session)
        return user, None


class WithinScope(BasePermission):
    """What a token may do that no organization's roles decide: a view names the least scope of its
    calls that change something, in `changing_scope`. The roles of an organization limit it again
    (portal.organizations.access).
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, ApiToken):
            is_reading = request.method in SAFE_METHODS
            changing = getattr(view, "changing_scope", Scope.REQUEST)
            needed = getattr(view, "reading_scope", Scope.READ) if is_reading else changing
            if not Scope(request.auth.scope).covers(needed):
                raise NotAllowed(
                    f"This token has the scope {request.auth.scope}; this call needs "
                    f"{needed.value}.",
                    code=organizations.BEYOND_SCOPE,
                )
        return True


def caller(request: Request) -> User:
    """The calling person. NotAllowed for a service token, which `membership_of` lets in."""
    if isinstance(request.user, ServiceToken):
        raise NotAllowed("Only a person can do this.", code="persons-only")
    if not isinstance(request.user, User):
        raise NotSignedIn("Sign in first.")
    return request.user


def membership_of(request: Request, slug: str, role: Role = Role.VIEWER) -> Membership:
    """The membership of a person, or of a service token, that makes the call. NotFound for
    outsiders, NotAllowed below `role`.
    """
    if isinstance(request.user, ServiceToken):
        return organizations.membership_for(request.user, slug, role)
    return organizations.membership_for(caller(request), slug, role)


def credential_of(request: Request) -> Credential:
    """By which the call acts: its token, or the session of the page."""
    return request.auth if isinstance(request.auth, ApiToken) else request.session


def require_fresh_factor(request: Request) -> None:
    """FreshFactorRequired unless the caller gave the second factor within FRESH_FOR."""
    services.require_fresh_factor(credential_of(request))


def require_fresh_sign_in(request: Request) -> None:
    """FreshSignInRequired unless the caller gave password and second factor within FRESH_FOR."""
    services.require_fresh_sign_in(credential_of(request))


def actor_of(request: Request) -> Actor:
    """The person, or the service token."""
    if isinstance(request.user, ServiceToken):
        return organizations.actor_for(request.user)
    return Actor.person(caller(request))

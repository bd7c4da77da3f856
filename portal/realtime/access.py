"""Who may hold a socket open: checked before it opens and repeatedly while it is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.cookie import parse_cookie
from django.http.request import validate_host

from portal.accounts import access
from portal.accounts.models import ApiToken, User
from portal.core.errors import NotFound, NotSignedIn, PortalError
from portal.organizations.access import memberships_for
from portal.organizations.models import Membership

DEVELOPMENT_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The credential in the handshake: a device's token, or a page's session."""

    token: str = ""
    session_key: str = ""

    def __repr__(self) -> str:
        return "Credential(…)"


def credential_of(scope: Mapping[str, Any]) -> Credential:
    """NotSignedIn if there is none, or if it came from another site's page."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(token=token.strip())
    session_key = parse_cookie(headers.get(b"cookie", "")).get(settings.SESSION_COOKIE_NAME, "")
    # A browser sends the cookie from pages of any site: the origin tells which one.
    if not session_key or not _is_own_page(headers.get(b"origin", ""), headers.get(b"host", "")):
        raise NotSignedIn("Sign in first.")
    return Credential(session_key=session_key)


def admit(credential: Credential, slug: str) -> Membership:
    """The membership of the credential. NotSignedIn, or NotFound for people who are not members."""
    answer = admit_all([(credential, slug)])[0]
    if isinstance(answer, PortalError):
        raise answer
    return answer


def admit_all(asked: Sequence[tuple[Credential, str]]) -> list[Membership | PortalError]:
    """The answer of `admit` to each, in order. The number of statements does not depend on how
    many are asked.
    """
    tokens = access.tokens_for({one.token for one, _ in asked if not one.session_key})
    people = access.users_of_sessions({one.session_key for one, _ in asked if one.session_key})
    users = [_person(one, tokens, people) for one, _ in asked]
    pairs = {(user, slug) for user, (_, slug) in zip(users, asked, strict=True) if user}
    memberships = memberships_for(pairs)
    return [
        (memberships.get((user.pk, slug)) or NotFound()) if user else NotSignedIn("Sign in first.")
        for user, (_, slug) in zip(users, asked, strict=True)
    ]


def _person(
    credential: Credential, tokens: Mapping[str, ApiToken], people: Mapping[str, User]
) -> User | None:
    if credential.session_key:
        return people.get(credential.session_key)
    token = tokens.get(credential.token)
    return token.user if token else None


def _is_own_page(origin: str, host: str) -> bool:
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
        own_name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    allowed = settings.ALLOWED_HOSTS or (DEVELOPMENT_HOSTS if settings.DEBUG else [])
    return (
        parts.scheme in {"http", "https"}
        and parts.netloc.lower() == host.lower()
        and validate_host(f"[{own_name}]" if ":" in own_name else own_name, allowed)
    )

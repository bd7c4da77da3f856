"""Who may hold a socket open: checked before it opens and repeatedly while it is open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http.cookie import parse_cookie
from django.http.request import validate_host

from portal.accounts import access
from portal.accounts.models import ApiToken, User
from portal.accounts.services.browsers import note_open_pages
from portal.core.errors import NotAllowed, NotFound, NotSignedIn, PortalError
from portal.mitigations.queries import live_counts
from portal.organizations.access import Caller, memberships_for
from portal.organizations.acting import acting_membership, may_act_all, name_of_credential
from portal.organizations.models import Membership, ServiceToken
from portal.organizations.service_tokens import service_tokens_for

DEVELOPMENT_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """The credential in the handshake: a device's token, or a page's session."""

    token: str = ""
    address: str = ""
    "from where the token came"
    session_key: str = ""

    def __repr__(self) -> str:
        return "Credential(…)"


def credential_of(scope: Mapping[str, Any]) -> Credential:
    """NotSignedIn if there is none, if it came from another site's page, or without TLS."""
    if settings.HTTPS and scope.get("scheme") != "wss":
        raise NotSignedIn("A socket needs TLS: use wss:// in the address.")
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(token=token.strip(), address=str((scope.get("client") or [""])[0] or ""))
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
    presented = {(one.token, one.address) for one, _ in asked if not one.session_key}
    services = service_tokens_for(presented)
    tokens = access.tokens_for(presented - services.keys())
    people = access.users_of_sessions({one.session_key for one, _ in asked if one.session_key})
    found = {**services, **tokens}
    callers = [_caller(one, found, people) for one, _ in asked]
    acting = _acting(asked, callers, found)
    pairs = {
        (caller, slug)
        for caller, staff, (_, slug) in zip(callers, acting, asked, strict=True)
        if caller and not staff
    }
    memberships = memberships_for(pairs)
    return [
        (staff or memberships.get((caller.pk, slug)) or NotFound())
        if caller
        else NotSignedIn("Sign in first.")
        for caller, staff, (_, slug) in zip(callers, acting, asked, strict=True)
    ]


def note_use(open_pages: Collection[tuple[Credential, UUID]]) -> None:
    """Note the use of the sessions of these pages, each of an organization, if that has a live
    request: people watch an attack for hours and touch nothing, and must not lose the page then. At
    other times an open page shows only that its screen is on (ADR 71).
    """
    pages = [(one.session_key, of) for one, of in open_pages if one.session_key]
    under_attack = live_counts({of for _, of in pages}) if pages else {}
    if watched := {key for key, of in pages if of in under_attack}:
        note_open_pages(watched)


Tokens = Mapping[tuple[str, str], ApiToken | ServiceToken | NotAllowed]


def _acting(
    asked: Sequence[tuple[Credential, str]], callers: Sequence[Caller | None], tokens: Tokens
) -> list[Membership | None]:
    """In place of a membership, for staff whose credential acts for the organization."""
    users = [caller if isinstance(caller, User) else None for caller in callers]
    names = [
        _name_of(one, tokens) if user and user.is_staff else ""
        for user, (one, _) in zip(users, asked, strict=True)
    ]
    found = may_act_all((user, name) for user, name in zip(users, names, strict=True) if user)
    memberships = []
    for user, name, (_, slug) in zip(users, names, asked, strict=True):
        # Two sessions of a person may act for two organizations.
        staff = copy(user) if user and name in found else None
        if staff is not None:
            staff.may_act = found[name]
        memberships.append(acting_membership(staff, slug) if staff else None)
    return memberships


def _name_of(credential: Credential, tokens: Tokens) -> str:
    token = tokens.get((credential.token, credential.address))
    own = token if isinstance(token, ApiToken) else None
    by = credential.session_key or own
    return name_of_credential(by) if by else ""


def _caller(credential: Credential, tokens: Tokens, people: Mapping[str, User]) -> Caller | None:
    if credential.session_key:
        return people.get(credential.session_key)
    match tokens.get((credential.token, credential.address)):
        case ApiToken() as token:
            return token.user
        case ServiceToken() as token:
            return token
    return None


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

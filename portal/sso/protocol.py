"""The messages to and from one identity provider: allauth's client for OpenID Connect, and what it
leaves out (ADR 68).

allauth makes the authorization request with PKCE, keeps the state in the session, and exchanges the
code. It knows no nonce, trusts an ID token from the token endpoint without its signature, and lets
the browser's query add parameters.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.core import secrets as sealed
from portal.core.origins import Asked, origin_of
from portal.sso.discovery import check_configuration, get_json
from portal.sso.errors import SignInRefused
from portal.sso.id_token import verified_claims
from portal.sso.models import SingleSignOn
from portal.sso.refusals import Refused
from portal.sso.statements import Statements, statements_of

CALLBACK: Final = "single-sign-on:callback"
MAX_CODE_LENGTH: Final = 4096
MAX_STATE_LENGTH: Final = 64
NONCE_BYTES: Final = 32
_FROM_USERINFO: Final = ("email", "email_verified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What the session keeps of a sign-in that has begun."""

    purpose: str
    "of the caller: why the person goes to the identity provider"
    following: str
    "path of the page to open afterwards"
    nonce: str
    verifier: str
    at: datetime
    person: str
    "the id of the person who was signed in; empty: no one"
    issuer: str
    "so that an answer to an earlier setting is refused"


def authorization_url(
    request: HttpRequest,
    sso: SingleSignOn,
    *,
    purpose: str,
    following: str = "",
    asks_again: bool = False,
) -> str:
    """Where the person's browser goes. Keeps the state in the session. `asks_again`: for a step up,
    the identity provider must ask for the factors now. Raises SignInRefused.
    """
    provider = _Provider(request, app=_app(sso))
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    begun = {
        "following": following,
        "nonce": nonce,
        "at": timezone.now().isoformat(),
        "person": str(request.user.pk or ""),
        "issuer": sso.issuer,
    }
    again = {"prompt": "login", "max_age": "0"} if asks_again else {}
    response = provider.redirect(
        request, purpose, data=begun, auth_params={"nonce": nonce, **again}, scope=_scope(sso)
    )
    return str(response.url)


def take_begun(request: HttpRequest, organization_id: UUID) -> Begun:
    """The sign-in that this answer belongs to. Once: a second answer is STALE."""
    state_id = request.GET.get("state", "")[:MAX_STATE_LENGTH]
    state = statekit.unstash_state(request, provider_id=str(organization_id), state_id=state_id)
    if state is None:
        raise SignInRefused(Refused.STALE)
    kept = state["data"]
    return Begun(
        purpose=state["process"],
        following=kept["following"],
        nonce=kept["nonce"],
        verifier=state["pkce_code_verifier"],
        at=datetime.fromisoformat(kept["at"]),
        person=kept["person"],
        issuer=kept["issuer"],
    )


def finish(request: HttpRequest, sso: SingleSignOn, begun: Begun) -> Statements:
    """What the identity provider says about the person. Raises SignInRefused."""
    if begun.issuer != sso.issuer:
        raise SignInRefused(Refused.STALE)
    if error := request.GET.get("error", ""):
        raise SignInRefused(Refused.DENIED, _printable(error))
    answered_by = request.GET.get("iss")
    if answered_by is not None and answered_by != sso.issuer:
        # RFC 9207: the answer of another identity provider.
        raise SignInRefused(Refused.BAD_TOKEN, "the answer names another issuer")
    code = request.GET.get("code", "")
    if not 0 < len(code) <= MAX_CODE_LENGTH:
        raise SignInRefused(Refused.BAD_ANSWER, "no code")
    provider = _Provider(request, app=_app(sso))
    client = provider.get_oauth2_adapter(request)
    answer = _tokens(client, request, provider.app, begun.verifier)
    claims = verified_claims(
        answer.get("id_token"),
        get_json(client.openid_config["jwks_uri"]),
        issuer=sso.issuer,
        client_id=sso.client_id,
        nonce=begun.nonce,
    )
    return statements_of(_with_userinfo(claims, answer, client, sso), sso.groups_claim)


class _Provider(OpenIDConnectProvider):  # type: ignore[misc]  # untyped
    """allauth's provider, without what a browser's query could change."""

    pkce_enabled_default = True

    def get_oauth2_adapter(self, request: HttpRequest) -> _Client:
        return _Client(request, self)


class _Client(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # untyped
    """allauth's client, with our address, and a configuration that was checked."""

    def __init__(self, request: HttpRequest, provider: _Provider) -> None:
        super().__init__(request, provider.app.provider_id)
        self._provider = provider

    def get_provider(self) -> _Provider:
        return self._provider

    @property
    def openid_config(self) -> Mapping[str, Any]:
        if not hasattr(self, "_checked"):
            found = get_json(self._provider.server_url)
            check_configuration(found, issuer=self._provider.app.settings["server_url"])
            self._checked = found
        return self._checked

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return callback_url(request, UUID(app.provider_id))


def callback_url(request: Asked, organization_id: UUID) -> str:
    """The address that an admin registers at the identity provider. Each organization has its own,
    so that no identity provider can send an answer for another one.
    """
    return f"{origin_of(request)}{reverse(CALLBACK, args=[organization_id])}"


def _app(sso: SingleSignOn) -> SocialApp:
    """allauth's row, which is never saved."""
    return SocialApp(
        provider="openid_connect",
        provider_id=str(sso.organization_id),
        name="Single sign-on",
        client_id=sso.client_id,
        secret=sealed.decrypt(sso.encrypted_secret).decode(),
        settings={"server_url": sso.issuer, "oauth_pkce_enabled": True},
    )


def _scope(sso: SingleSignOn) -> list[str]:
    """`groups` is a scope at some identity providers; those that do not know it ignore it
    (OpenID Connect Core 1.0, section 3.1.2.1).
    """
    return ["openid", "email", "profile", *(["groups"] if sso.groups_claim else [])]


def _tokens(
    client: _Client, request: HttpRequest, app: SocialApp, verifier: str
) -> Mapping[str, Any]:
    try:
        answer = client.get_access_token_data(
            request, app, client.get_client(request, app), pkce_code_verifier=verifier
        )
    except OAuth2Error as error:
        raise SignInRefused(Refused.DENIED, _printable(str(error))) from None
    except (ValueError, KeyError, TypeError):
        raise SignInRefused(Refused.BAD_ANSWER, "the answer with the tokens") from None
    if not isinstance(answer, dict):
        raise SignInRefused(Refused.BAD_ANSWER, "the answer with the tokens")
    return answer


def _with_userinfo(
    claims: dict[str, Any], answer: Mapping[str, Any], client: _Client, sso: SingleSignOn
) -> Mapping[str, Any]:
    """Many identity providers name the address and the groups only here. The ID token wins, and the
    rest of it is not read from here.
    """
    wanted = [*_FROM_USERINFO, *([sso.groups_claim] if sso.groups_claim else [])]
    where = client.openid_config.get("userinfo_endpoint")
    if not where or all(name in claims for name in wanted):
        return claims
    more = get_json(where, token=str(answer["access_token"]))
    if more.get("sub") != claims["sub"]:
        raise SignInRefused(Refused.BAD_TOKEN, "userinfo is about another subject")
    if "email" in claims:
        # `email_verified` there is about the address there.
        wanted = wanted[2:]
    return {name: more[name] for name in wanted if name in more} | claims


def _printable(text: str) -> str:
    return "".join(one for one in text[:200] if one.isprintable() and one.isascii())


def host_of(sso: SingleSignOn) -> str:
    """What people recognize the identity provider by."""
    return urlsplit(sso.issuer).netloc

"""An identity provider's configuration (OpenID Connect Discovery 1.0), and JSON from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from portal.sso import fetching
from portal.sso.errors import SignInRefused
from portal.sso.refusals import Refused

ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
MAX_URL_LENGTH: Final = 2000


def get_json(url: str, *, token: str = "") -> dict[str, Any]:
    """The JSON object at `url`. Raises SignInRefused."""
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with fetching.session() as session:
        response = session.get(url, headers=headers)
    if response.status_code != 200:
        why = Refused.UNREACHABLE if response.status_code >= 500 else Refused.BAD_ANSWER
        raise SignInRefused(why, f"HTTP {response.status_code} at {url}")
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        raise SignInRefused(Refused.BAD_ANSWER, f"no JSON at {url}") from None
    if not isinstance(found, dict):
        raise SignInRefused(Refused.BAD_ANSWER, f"no JSON object at {url}")
    return found


def check_configuration(found: Mapping[str, Any], *, issuer: str) -> None:
    """Section 4.3: it is about this very issuer. SignInRefused otherwise."""
    if found.get("issuer") != issuer:
        raise SignInRefused(Refused.BAD_ANSWER, "the configuration is of another issuer")
    for name in ENDPOINTS:
        if not is_url(found.get(name)):
            raise SignInRefused(Refused.BAD_ANSWER, f"{name} is not an https address")
    more = found.get("userinfo_endpoint")
    if more is not None and not is_url(more):
        raise SignInRefused(Refused.BAD_ANSWER, "userinfo_endpoint is not an https address")
    methods = found.get("token_endpoint_auth_methods_supported", [])
    if not isinstance(methods, list):
        raise SignInRefused(Refused.BAD_ANSWER, "token_endpoint_auth_methods_supported is no list")


def is_url(value: object) -> bool:
    """An absolute https address; http only on this machine (chosen_url.may_contact)."""
    if not isinstance(value, str) or len(value) > MAX_URL_LENGTH or not value.isascii():
        return False
    if not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1")
    has_user = "@" in parts.netloc
    is_whole = bool(parts.hostname) and not has_user and port != 0
    return is_whole and not parts.fragment and (parts.scheme == "https" or is_local)

"""Check an ID token (OpenID Connect Core 1.0, section 3.1.3.7). Pure, apart from the clock."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final

import jwt

from portal.sso.errors import SignInRefused
from portal.sso.models import MAX_SUBJECT_LENGTH
from portal.sso.refusals import Refused

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""With public keys only: neither `none`, nor a MAC with what could be a public key."""
LEEWAY_S: Final = 60
"""By which clocks may differ."""
MAX_TOKEN_LENGTH: Final = 64 * 1024
MAX_KEYS: Final = 50
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "iat"]


def verified_claims(
    token: object, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str
) -> dict[str, Any]:
    """The claims of a token that passes every check. Raises SignInRefused.

    `keys`: the identity provider's JSON Web Key Set.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
        raise SignInRefused(Refused.BAD_TOKEN, "there is no ID token")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _key_of(token, keys),
            algorithms=ALGORITHMS,
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED, "strict_aud": False},
        )
    except jwt.PyJWTError as error:
        raise SignInRefused(Refused.BAD_TOKEN, str(error)[:200]) from None
    _check_parties(claims, client_id)
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(_bytes(given), nonce.encode()):
        raise SignInRefused(Refused.BAD_TOKEN, "the nonce is not the one that the portal sent")
    return claims


def _check_parties(claims: Mapping[str, Any], client_id: str) -> None:
    subject, party = claims["sub"], claims.get("azp")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise SignInRefused(Refused.BAD_TOKEN, "the subject is no text, or too long")
    if not subject.isprintable():
        raise SignInRefused(Refused.BAD_TOKEN, "the subject has odd characters")
    # A token for several audiences names the one that asked for it.
    has_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (party is not None or has_several) and party != client_id:
        raise SignInRefused(Refused.BAD_TOKEN, "it was issued to another client")


def _key_of(token: str, keys: Mapping[str, Any]) -> jwt.PyJWK:
    """The key that the token names, or the only one that fits if it names none."""
    header = jwt.get_unverified_header(token)
    if header.get("alg") not in ALGORITHMS:
        raise SignInRefused(Refused.BAD_TOKEN, "its algorithm is not accepted")
    rows = keys.get("keys")
    if not isinstance(rows, list):
        raise SignInRefused(Refused.BAD_ANSWER, "the key set has no keys")
    wanted = header.get("kid")
    fitting = [
        one
        for one in rows[:MAX_KEYS]
        if isinstance(one, dict)
        and one.get("use", "sig") == "sig"
        and (wanted is None or one.get("kid") == wanted)
    ]
    if len(fitting) != 1:
        raise SignInRefused(Refused.BAD_TOKEN, f"{len(fitting)} keys have the id of the token")
    # The algorithm of the header, unless the key names another one, which then does not verify.
    try:
        return jwt.PyJWK(fitting[0], None if "alg" in fitting[0] else header["alg"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SignInRefused(Refused.BAD_ANSWER, "the key is malformed") from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")

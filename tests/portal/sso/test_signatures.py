"""A token that the identity provider did not sign, or not for this sign-in."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from portal.organizations.models import Organization
from portal.sso.models import SingleSignOn
from portal.sso.refusals import Refused
from tests.portal.sso import test_answers
from tests.portal.sso.conftest import sign_in
from tests.portal.sso.identity_provider import Claims, IdentityProvider, answer, key
from tests.portal.sso.test_answers import opens_nothing

_bob = test_answers._bob


def unsigned(claims: Claims) -> str:
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "own"})


def signed_by_another(claims: Claims) -> str:
    return jwt.encode(claims, key("other"), algorithm="RS256", headers={"kid": "own"})


def signed_with_the_public_key(claims: Claims) -> str:
    """As a MAC, whose secret everyone knows."""
    pem = key("own").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [
        urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=")
        for one in ({"alg": "HS256", "kid": "own"}, claims)
    ]
    text = b".".join(parts)
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text, pem)
    return b".".join([text, urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def of_unknown_key(claims: Claims) -> str:
    return jwt.encode(claims, key("own"), algorithm="RS256", headers={"kid": "gone"})


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        signed_by_another,
        signed_with_the_public_key,
        of_unknown_key,
        lambda _: "x.y.z",
        lambda _: "",
        lambda _: None,
        lambda _: 7,
        lambda _: "e" * 100_000,
    ],
)
def test_a_token_without_the_signature_of_the_issuer(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, sign: Callable[[Claims], Any]
) -> None:
    provider.sign = sign

    opens_nothing(provider, acme, Refused.BAD_TOKEN)


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://login.evil.example"},
        {"aud": "another client"},
        {"aud": ["portal", "another client"]},
        {"aud": ["portal", "another client"], "azp": "another client"},
        {"aud": []},
        {"azp": "another client"},
        {"nonce": "x"},
        {"nonce": None},
        {"nonce": "\ud800"},
        {"exp": now() - 120},
        {"exp": None},
        {"exp": "soon"},
        {"iat": now() + 3600},
        {"nbf": now() + 3600},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\0b"},
    ],
)
def test_a_token_for_someone_or_something_else(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, changed: Claims
) -> None:
    provider.twist = lambda claims: claims | changed

    opens_nothing(provider, acme, Refused.BAD_TOKEN)


@pytest.mark.parametrize("missing", ["iss", "aud", "exp", "iat", "sub", "nonce"])
def test_a_token_that_lacks_something(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization, missing: str
) -> None:
    provider.twist = lambda claims: {name: claims[name] for name in claims if name != missing}

    opens_nothing(provider, acme, Refused.BAD_TOKEN)


def test_keys_that_are_malformed(
    sso: SingleSignOn, provider: IdentityProvider, acme: Organization
) -> None:
    for row in (
        {"kid": "own"},
        {"kid": "own", "kty": "RSA"},
        {"kid": "own", "kty": "RSA", "n": 7, "e": "AQAB"},
        {"kid": "own", "kty": "oct", "k": "AAAA", "alg": "HS256"},
        "text",
    ):
        body = {"keys": [row]}
        provider.answers["/keys"] = lambda handler, body=body: answer(handler, 200, body)  # type: ignore[misc]
        assert sign_in(Client(), provider, acme).status_code == 403

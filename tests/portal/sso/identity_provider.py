"""An OpenID Connect provider on loopback that does as a test says, also what none should do."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID: Final = "portal"
CLIENT_SECRET: Final = "never to be shown: s3cret"
Claims = dict[str, Any]
TEN_MINUTES_S: Final = 600


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """One per name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(claims: Claims) -> str:
    return jwt.encode(claims, key("own"), algorithm="RS256", headers={"kid": "own"})


@dataclass
class IdentityProvider:
    """What it says about the person who signs in, and how."""

    issuer: str
    person: Claims = field(default_factory=dict)
    "claims of the ID token beside those of the protocol"
    userinfo: Claims | None = None
    twist: Callable[[Claims], Claims] = lambda claims: claims
    "changes the claims before they are signed"
    sign: Callable[[Claims], str] = sign
    keys: tuple[str, ...] = ("own",)
    configuration: Claims = field(default_factory=dict)
    "replaces parts of the configuration"
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    "another answer for a path"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    "the paths of all calls"

    def authorize(self, url: str) -> dict[str, str]:
        """The person signs in and agrees: what the browser takes back to the portal."""
        query = {name: one[0] for name, one in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def configured(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        } | self.configuration

    def key_set(self) -> Claims:
        rows = []
        for name in self.keys:
            row = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name).public_key()))
            rows.append(row | {"kid": name, "use": "sig", "alg": "RS256"})
        return {"keys": rows}

    def tokens(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        asked = self.codes.pop(form.get("code", ""), None)
        basic = b64decode(authorization.removeprefix("Basic ")).decode()
        client, _, secret = basic.partition(":")
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (unquote(client), unquote(secret)) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        if asked is None or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + TEN_MINUTES_S,
            "nonce": asked["nonce"],
            **self.person,
        }
        token = self.sign(self.twist(claims))
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": token}


@contextmanager
def running() -> Iterator[IdentityProvider]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    own = IdentityProvider(issuer=f"http://127.0.0.1:{server.server_port}")
    server.provider = own  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    @property
    def own(self) -> IdentityProvider:
        provider: IdentityProvider = self.server.provider  # type: ignore[attr-defined]
        return provider

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.own.asked.append(path)
        if path in self.own.answers:
            self.own.answers[path](self)
        elif path == "/.well-known/openid-configuration":
            answer(self, 200, self.own.configured())
        elif path == "/keys":
            answer(self, 200, self.own.key_set())
        elif path == "/userinfo":
            answer(self, 200, self.own.userinfo or {"sub": self.own.person.get("sub")})
        else:
            answer(self, 404, {})

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        self.own.asked.append(path)
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        if path in self.own.answers:
            self.own.answers[path](self)
            return
        form = {name: one[0] for name, one in parse_qs(body).items()}
        answer(self, *self.own.tokens(form, self.headers.get("Authorization", "")))

    def log_message(self, format: str, *args: object) -> None:
        """Tests read `asked`."""


def answer(handler: BaseHTTPRequestHandler, status: int, body: object) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)

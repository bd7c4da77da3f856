"""What is typed while signing in, and the recovery codes between their making and the person's word."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Final

from django.contrib.sessions.backends.base import SessionBase
from django.http import QueryDict

from portal.core import secrets

MAX_CODE_LENGTH: Final = 64
_CODES_KEY: Final = "recovery_codes"


@dataclass(frozen=True, slots=True)
class Password:
    """The first step."""

    username: str
    password: str

    @classmethod
    def typed(cls, data: QueryDict) -> Password:
        return cls(data.get("username", "").strip(), data.get("password", ""))


@dataclass(frozen=True, slots=True)
class Code:
    """The second step: what the app shows, or a recovery code."""

    code: str
    is_recovery: bool

    @classmethod
    def typed(cls, data: QueryDict) -> Code:
        recovery = data.get("recovery_code", "").strip()[:MAX_CODE_LENGTH]
        return cls(recovery or data.get("code", "").strip()[:MAX_CODE_LENGTH], bool(recovery))


def keep_codes(session: SessionBase, codes: tuple[str, ...]) -> None:
    """Encrypted: the session's row must not give away what the database keeps hashed."""
    session[_CODES_KEY] = b64encode(secrets.encrypt(json.dumps(codes).encode())).decode()


def kept_codes(session: SessionBase) -> tuple[str, ...]:
    kept = session.get(_CODES_KEY)
    return tuple(json.loads(secrets.decrypt(b64decode(kept)))) if kept else ()


def forget_codes(session: SessionBase) -> None:
    session.pop(_CODES_KEY, None)

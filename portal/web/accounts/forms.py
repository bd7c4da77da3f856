"""The forms of the sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import QueryDict

MAX_CODE_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Password:
    """The first step."""

    username: str
    password: str

    @classmethod
    def typed(cls, data: QueryDict) -> Password:
        return cls(data.get("username", "").strip(), data.get("password", ""))


@dataclass(frozen=True, slots=True)
class SecondFactorForm:
    """The second step: the code from the app, or a recovery code."""

    code: str
    is_recovery: bool

    @classmethod
    def typed(cls, data: QueryDict) -> SecondFactorForm:
        recovery = data.get("recovery_code", "").strip()[:MAX_CODE_LENGTH]
        return cls(recovery or data.get("code", "").strip()[:MAX_CODE_LENGTH], bool(recovery))

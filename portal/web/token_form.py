"""The form for a new token, and tokens in a list: the same for those of a person and of an
organization.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from django.http import QueryDict

from portal.accounts.services import DEFAULT_TOKEN_DAYS, MAX_TOKEN_DAYS
from portal.core.errors import FieldError, Invalid
from portal.core.numbers import whole_number

MAX_TYPED: Final = 2_000
"""Characters of the networks that are kept as they were typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenForm:
    """What was typed, and an error at each wrong field."""

    name: str = ""
    right: str = ""
    "the scope or the role"
    days: str = str(DEFAULT_TOKEN_DAYS)
    networks: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def typed(cls, data: QueryDict) -> TokenForm:
        return cls(
            name=data.get("name", "")[:MAX_TYPED],
            right=data.get("right", "")[:MAX_TYPED],
            days=data.get("days", "").strip()[:MAX_TYPED],
            networks=data.get("networks", "")[:MAX_TYPED],
        )

    @property
    def whole_days(self) -> int:
        """0, which no token may have, if no number was typed."""
        return whole_number(self.days, at_most=MAX_TOKEN_DAYS + 1) or 0

    @property
    def network_list(self) -> list[str]:
        return [one for one in re.split(r"[\s,;]+", self.networks) if one]

    def with_errors(self, error: Invalid) -> TokenForm:
        found: dict[str, str] = {}
        for one in error.errors:
            found.setdefault(_input_of(one), one.message)
        return replace(self, errors=found)


def _input_of(error: FieldError) -> str:
    name = error.field.partition(".")[0]
    return {"allowed_networks": "networks", "role": "right", "scope": "right"}.get(name, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """A new token, whose text is shown this once."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token in a list."""

    name: str
    hint: str
    right: str
    by: str
    "who made it; empty if the person who looks did"
    networks: Sequence[str]
    made_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    last_used_address: str
    revoke: str

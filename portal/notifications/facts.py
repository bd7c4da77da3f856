"""What a notice's sentences are made from, as it was when the event was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.core.json_value import sparse


@sparse()
@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """Empty values are unknown, or do not concern the kind."""

    number: str = ""
    "of the request, for people"
    name: str = ""
    "of the request, or the targets of an incident: never in a title unless wished"
    is_plan: bool = False
    provider: str = ""
    "its short name"
    phone: str = ""
    "of the provider's operations desk"
    why: str = ""
    "a code, where the kind alone does not say what happened"
    code: str = ""
    "of a refusal"
    reason: str = ""
    "in the words of a provider or a person"
    until: datetime | None = None
    "when protection, an approval or a certificate ends"
    since: datetime | None = None
    by: str = ""
    "the person or program that acted"
    asked: int = 0
    confirmed: int = 0
    count: int = 0
    "of a digest: how many notices"

"""The form of a note."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from django.http import QueryDict

from portal.core.errors import PortalError
from portal.mitigations.validation import MAX_NOTE_LENGTH
from portal.organizations.models import MAX_KEY_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteForm:
    """A note before it is saved."""

    text: str = ""
    key: str
    "a form that is sent twice writes one note"
    error: str = ""
    max_length: int = MAX_NOTE_LENGTH

    @classmethod
    def new(cls) -> NoteForm:
        return cls(key=str(uuid4()))

    @classmethod
    def typed(cls, data: QueryDict) -> NoteForm:
        key = data.get("key", "")
        is_key = 0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()
        return cls(text=data.get("text", ""), key=key if is_key else str(uuid4()))

    def refused(self, error: PortalError, *, key: str = "") -> NoteForm:
        message = error.errors[0].message if error.errors else error.message
        return replace(self, error=message, key=key or self.key)

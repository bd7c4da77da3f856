"""The tab "Sessions": where the person is signed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.urls import reverse

from portal.accounts import services
from portal.accounts.models import User
from portal.accounts.services import OwnSession
from portal.accounts.services.step_up import Credential
from portal.web.me.navigation import MePage

KINDS: Final = {"browser": "Browser", "app": "App"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One place where the person is signed in."""

    device: str
    kind: str
    address: str
    signed_in_at: datetime
    last_seen_at: datetime | None
    end: str
    "empty for the session of this page"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsPage(MePage):
    """The list."""

    template: ClassVar = "me/sessions.html"
    tab: ClassVar = "sessions"

    headline: str
    sessions: Sequence[SessionRow]
    has_others: bool


def sessions_page(person: User, credential: Credential) -> SessionsPage:
    own = services.own_sessions(person, credential)
    return SessionsPage(
        person=person,
        headline=f"{len(own)} session{'' if len(own) == 1 else 's'}.",
        sessions=[_row(one) for one in own],
        has_others=any(not one.is_this for one in own),
    )


def _row(one: OwnSession) -> SessionRow:
    return SessionRow(
        device=one.device,
        kind=KINDS[one.kind],
        address=one.address,
        signed_in_at=one.signed_in_at,
        last_seen_at=one.last_seen_at,
        end="" if one.is_this else reverse("me:end-session", args=[one.id]),
    )

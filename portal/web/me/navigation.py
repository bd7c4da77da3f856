"""The tabs of the page "Me". A new page adds its entry here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.urls import reverse

from portal.accounts.models import User
from portal.web.rendering import Page
from portal.web.tabs import Tab


@dataclass(frozen=True, slots=True)
class MeEntry:
    """One tab: the name of its route."""

    key: str
    words: str
    route: str


ENTRIES: Final = (
    MeEntry("profile", "Profile", "me:profile"),
    MeEntry("notices", "Notices", "me:notices"),
    MeEntry("password", "Password", "me:password"),
    MeEntry("factors", "Second factor", "me:factors"),
    MeEntry("sessions", "Sessions", "me:sessions"),
    MeEntry("tokens", "Tokens", "me:tokens"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MePage(Page):
    """A page about the person who is signed in, with the tabs of all such pages."""

    tab: ClassVar[str]
    "the key of the tab that is shown as current"

    person: User

    @property
    def tabs(self) -> Sequence[Tab]:
        """All of them, in their order."""
        return [Tab(one.words, reverse(one.route), one.key == self.tab) for one in ENTRIES]

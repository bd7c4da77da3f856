"""The pages of an organization's settings. A new page adds its entry here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.urls import reverse

from portal.organizations.models import Role
from portal.web.rendering import FramedPage
from portal.web.tabs import Tab


@dataclass(frozen=True, slots=True)
class SettingsEntry:
    """One page: the name of its route, and the lowest role that may open it."""

    key: str
    words: str
    route: str
    role: Role = Role.VIEWER


ENTRIES: Final = (
    SettingsEntry("start", "Getting started", "settings:start"),
    SettingsEntry("resources", "Resources", "resources:resources"),
    SettingsEntry("providers", "Providers", "connections:providers"),
    SettingsEntry("alerts", "Alerts", "alerts:endpoints", Role.ADMIN),
    SettingsEntry("notices", "Notices", "channels:channels", Role.ADMIN),
    SettingsEntry("members", "Members", "settings:members"),
    SettingsEntry("single-sign-on", "Single sign-on", "settings:single-sign-on", Role.ADMIN),
    SettingsEntry("policy", "Policy", "settings:policy"),
    SettingsEntry("tokens", "Tokens", "settings:tokens", Role.ADMIN),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage(FramedPage):
    """A page below the tabs of the settings."""

    tab: ClassVar[str]
    "the key of the tab that is shown as current"

    here: str = "settings"

    @property
    def tabs(self) -> Sequence[Tab]:
        """Those that this member may open, in their order."""
        place = [self.frame.organization.slug]
        return [
            Tab(one.words, reverse(one.route, args=place), one.key == self.tab)
            for one in ENTRIES
            if self.frame.membership.allows(one.role)
        ]

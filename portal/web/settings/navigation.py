"""The pages of an organization's settings. A new page adds its entry here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.urls import reverse

from portal.organizations.models import Membership, Role


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
    SettingsEntry("members", "Members", "settings:members"),
)


@dataclass(frozen=True, slots=True)
class Tab:
    """An entry as one person sees it."""

    words: str
    url: str
    is_here: bool


def tabs(membership: Membership, here: str) -> Sequence[Tab]:
    """The pages that this member may open, in their order. `here`: the key of the shown one."""
    return [
        Tab(
            entry.words,
            reverse(entry.route, args=[membership.organization.slug]),
            entry.key == here,
        )
        for entry in ENTRIES
        if membership.allows(entry.role)
    ]

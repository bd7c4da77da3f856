"""The tab "Profile": name, time zone and address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from portal.accounts.models import User
from portal.accounts.time_zones import zone_names
from portal.web.me.navigation import MePage

NOT_CHOSEN: Final = "Not chosen"


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    """One time zone of the list."""

    value: str
    words: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePage(MePage):
    """The forms, filled with what is saved or was typed."""

    template: ClassVar = "me/profile.html"
    tab: ClassVar = "profile"

    display_name: str
    zones: Sequence[ZoneChoice]
    email: str
    errors: Mapping[str, str] = field(default_factory=dict)


def profile_page(
    person: User,
    *,
    display_name: str | None = None,
    time_zone: str | None = None,
    email: str = "",
    errors: Mapping[str, str] | None = None,
) -> ProfilePage:
    return ProfilePage(
        person=person,
        display_name=person.display_name if display_name is None else display_name,
        zones=_zones(person.time_zone if time_zone is None else time_zone),
        email=email,
        errors=errors or {},
    )


def _zones(chosen: str) -> list[ZoneChoice]:
    named = [(one, one.replace("_", " ")) for one in zone_names()]
    return [
        ZoneChoice(value, words, value == chosen) for value, words in [("", NOT_CHOSEN), *named]
    ]

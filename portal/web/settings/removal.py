"""The question before a part of the settings is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from portal.web.settings.navigation import SettingsPage


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPage(SettingsPage):
    """The title asks, and the points say what goes with it."""

    template: ClassVar = "settings/removal.html"

    points: Sequence[str]
    needed_by: str = ""
    "why it cannot be removed; empty: it can"
    error: str = ""
    "why it was not removed"
    button: str = "Remove now"
    sending: str = "Removing"
    keep: str = "Keep it"
    back: str

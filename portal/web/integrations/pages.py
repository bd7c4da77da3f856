"""What the pages of endpoints and of channels show alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from portal.organizations.models import Integration
from portal.web.frame import Frame
from portal.web.settings.navigation import SettingsPage
from portal.wording.facts import Badge


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationState:
    """How it is, in a list and on its own page."""

    name: str
    url: str
    what: str
    "the detector or the receiver"
    badge: Badge
    used: str
    "what the time is of"
    used_at: datetime | None
    unused: str
    "instead of the time"
    troubles: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindChoice:
    """One kind of detector or channel, and the page of its form."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KindsPage(SettingsPage):
    """The kinds to choose from."""

    template: ClassVar = "integrations/kinds.html"

    headline: str
    lead: str
    kinds: Sequence[KindChoice]
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """What became of the newest test."""

    at: datetime
    badge: Badge
    says: str
    answer: str = ""
    "the words of a receiver"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationActions:
    """Where the forms of the page are sent."""

    change: str
    rotate: str
    end_previous: str
    switch: str
    test: str
    remove: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationShown:
    """One of them on its own page."""

    row: Integration
    state: IntegrationState
    has_secret: bool
    "the portal made its secret"
    has_previous: bool
    secret: str
    "the new secret, once; empty: not in this answer"
    last_test: TestOutcome | None
    to: IntegrationActions


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationsPage(SettingsPage):
    """All of an organization by name."""

    template: ClassVar = "integrations/integrations.html"

    headline: str
    lead: str
    rows: Sequence[IntegrationState]
    new: str
    add: str


def integration_shown(
    start: Frame,
    row: Integration,
    state: IntegrationState,
    to: Callable[[str], str],
    *,
    has_secret: bool,
    secret: str,
    last_test: TestOutcome | None,
) -> IntegrationShown:
    """`to`: the address of each of its routes."""
    return IntegrationShown(
        row=row,
        state=state,
        has_secret=has_secret,
        has_previous=row.has_previous(start.now),
        secret=secret,
        last_test=last_test,
        to=IntegrationActions(
            change=state.url,
            rotate=to("rotate"),
            end_previous=to("end-previous-secret"),
            switch=to("switch"),
            test=to(f"test-{row.word}"),
            remove=to(f"remove-{row.word}"),
        ),
    )

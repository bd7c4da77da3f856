"""The tab "Second factor": apps, recovery codes, and the pages that add or remove one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import quote

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

from portal.accounts import services
from portal.accounts.models import User
from portal.accounts.services import Enrolment, Factor
from portal.web.accounts.pages import enrolment_page
from portal.web.me.navigation import MePage

KINDS: Final = {"app": "Authenticator app", "passkey": "Passkey"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRow:
    """One factor of the list."""

    id: str
    "of its field on the page"
    kind: str
    name: str
    typed: str
    error: str
    is_app: bool
    added_at: datetime | None
    last_used_at: datetime | None
    rename: str
    remove: str
    "empty for one that must stay"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorsPage(MePage):
    """The list."""

    template: ClassVar = "me/factors.html"
    tab: ClassVar = "factors"

    factors: Sequence[FactorRow]
    codes_left: int
    can_add_app: bool
    can_add_passkey: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """A name that was refused."""

    kind: str
    factor_id: int
    name: str
    error: str


def factors_page(person: User, renaming: Renaming | None = None) -> FactorsPage:
    own = services.factors_of(person)
    apps = sum(one.kind == "app" for one in own)
    return FactorsPage(
        person=person,
        factors=[
            _row(one, is_last=services.is_last(one.kind, own), renaming=renaming) for one in own
        ],
        codes_left=services.recovery_codes_left(person),
        can_add_app=apps < services.MAX_AUTHENTICATORS,
        can_add_passkey=len(own) - apps < services.MAX_PASSKEYS,
    )


def _row(factor: Factor, *, is_last: bool, renaming: Renaming | None) -> FactorRow:
    place = [factor.kind, factor.id]
    wrong = renaming if renaming and [renaming.kind, renaming.factor_id] == place else None
    return FactorRow(
        id=f"{factor.kind}-{factor.id}",
        kind=KINDS[factor.kind],
        is_app=factor.kind == "app",
        name=factor.name,
        typed=wrong.name if wrong else factor.name,
        error=wrong.error if wrong else "",
        added_at=factor.added_at,
        last_used_at=factor.last_used_at,
        rename=reverse("me:rename-factor", args=place),
        remove="" if is_last else reverse("me:remove-factor", args=place),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAppPage(MePage):
    """The key of another app, its name and the first code."""

    template: ClassVar = "me/add_app.html"
    tab: ClassVar = "factors"

    qr: SafeString
    key: str
    name: str
    errors: Mapping[str, str] = field(default_factory=dict)


def add_app_page(
    person: User, enrolment: Enrolment, *, name: str = "", errors: Mapping[str, str] | None = None
) -> AddAppPage:
    drawn = enrolment_page(enrolment, "")
    return AddAppPage(
        person=person,
        qr=drawn.qr,
        key=drawn.key,
        name=name,
        errors=errors or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCodesPage(MePage):
    """The only page that shows the new recovery codes."""

    template: ClassVar = "me/recovery_codes.html"
    tab: ClassVar = "factors"

    codes: Sequence[str]
    download: str
    "a data URL with the codes as text"


def new_codes_page(person: User, codes: Sequence[str]) -> NewCodesPage:
    head = f"{settings.PORTAL_NAME}: recovery codes of {person.username}"
    text = "\n".join([head, "Each code works once.", "", *codes, ""])
    return NewCodesPage(
        person=person,
        codes=codes,
        download=f"data:text/plain;charset=utf-8,{quote(text)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPasskeyPage(MePage):
    """The name of a new passkey, and what the browser needs to make it."""

    template: ClassVar = "me/add_passkey.html"
    tab: ClassVar = "factors"

    options: str
    "JSON"
    name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

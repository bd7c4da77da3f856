"""The staff's Portal page: every organization, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.urls import reverse
from django.utils.http import urlencode

from portal.core.numbers import whole_number
from portal.ownership.queries import waiting_for_staff
from portal.readiness.customers import ConcernFound, Customer, customers
from portal.web.rendering import Page
from portal.wording.claims import waiting_sentence
from portal.wording.customers import WORDS
from portal.wording.facts import Badge

PAGE_ROWS: Final = 50
MAX_PAGE: Final = 99_999
MAX_FIND_LENGTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcernLine:
    """One concern of an organization, as text, with its time."""

    code: str
    badge: Badge
    text: str
    when: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRow:
    """One organization of the list."""

    name: str
    slug: str
    url: str
    admins: int
    members: int
    lines: Sequence[ConcernLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalPage(Page):
    """One page of the list."""

    template: ClassVar = "staff/portal.html"

    rows: Sequence[CustomerRow]
    total: int
    "organizations that the search found"
    troubled: int
    "of these, those that need staff"
    find: str
    newer: str
    older: str
    now: datetime
    claims: str = ""
    "how many resources wait for a decision; empty for staff who may not decide"
    newer_word: str = "Back"


def portal_page(query: Mapping[str, str], now: datetime, *, decides: bool) -> PortalPage:
    """`decides`: whether the person may verify resources."""
    find = " ".join(query.get("find", "").replace("\0", "").split())[:MAX_FIND_LENGTH]
    number = whole_number(query.get("page", ""), at_most=MAX_PAGE) or 1
    found = customers(now, name=find)
    start = (number - 1) * PAGE_ROWS
    return PortalPage(
        rows=[_row(one) for one in found[start : start + PAGE_ROWS]],
        total=len(found),
        troubled=sum(one.needs_look for one in found),
        find=find,
        newer=_page(find, number - 1) if number > 1 else "",
        older=_page(find, number + 1) if start + PAGE_ROWS < len(found) else "",
        now=now,
        claims=waiting_sentence(waiting_for_staff().count()) if decides else "",
    )


def _page(find: str, number: int) -> str:
    return urlencode([*([("find", find)] if find else []), ("page", str(number))])


def _row(customer: Customer) -> CustomerRow:
    return CustomerRow(
        name=customer.name,
        slug=customer.slug,
        url=reverse("staff-pages:organization", args=[customer.slug]),
        admins=customer.admins,
        members=customer.members,
        lines=[_line(one) for one in customer.found],
    )


def _line(found: ConcernFound) -> ConcernLine:
    words = WORDS[found.concern]
    return ConcernLine(
        code=found.concern.value,
        badge=words.badge,
        text=words.sentence(found.count),
        when=words.when,
        at=found.at,
    )

"""Who did what: a form by GET, so that a view of it is a URL to share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.conf import settings
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from portal.audit import queries
from portal.audit.models import AuditEntry, Chain
from portal.audit.queries import AuditFilter
from portal.core.numbers import whole_number
from portal.organizations.models import Membership
from portal.web.frame import frame
from portal.web.options import Option, options
from portal.web.rendering import FramedPage
from portal.wording import audit as wording

PAGE_ROWS: Final = 50
MAX_PAGE: Final = 9_999
MAX_TEXT: Final = 100
WHENS: Final = {
    "": ("Any time", None),
    "1": ("Last 24 hours", 1),
    "7": ("Last 7 days", 7),
    "30": ("Last 30 days", 30),
    "365": ("Last year", 365),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditChoice:
    """The filter in the query string; fields without a value are empty."""

    who: str
    about: str
    what: str
    when: str

    @classmethod
    def read(cls, choice: QueryDict) -> AuditChoice:
        what, when = str(choice.get("what", "")), str(choice.get("when", ""))
        return cls(
            who=_text(choice, "who"),
            about=_text(choice, "about"),
            what=what if what in wording.FAMILIES or what in wording.DONE else "",
            when=when if when in WHENS else "",
        )

    def filter(self, now: datetime) -> AuditFilter:
        days = WHENS[self.when][1]
        family = wording.FAMILIES.get(self.what)
        return AuditFilter(
            who=self.who,
            about=self.about,
            verbs=family[1] if family else (self.what,) if self.what else (),
            since=now - timedelta(days=days) if days else None,
        )

    def query(self, page: int = 1) -> str:
        """As a query string."""
        fields = {"who": self.who, "about": self.about, "what": self.what, "when": self.when}
        if page > 1:
            fields["page"] = str(page)
        return urlencode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One entry as text."""

    at: datetime
    who: str
    done: str
    details: list[str]
    about: str
    url: str
    came_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage(FramedPage):
    """The entries that match a filter, newest first."""

    template: ClassVar = "audit/audit.html"

    rows: list[EntryRow]
    who: str
    about: str
    whats: list[Option]
    whens: list[Option]
    is_filtered: bool
    query: str
    days: int
    head: Chain
    problem: str
    "what the last verification found; empty: an unbroken chain"
    newer: str
    older: str
    mail_to: str
    mail_error: str


def audit_page(
    membership: Membership,
    now: datetime,
    choice: QueryDict,
    *,
    mail_to: str | None = None,
    mail_error: str = "",
) -> AuditPage:
    """`mail_to`: what was typed, if `mail_error` says that it is wrong."""
    wanted = AuditChoice.read(choice)
    page = max(1, whole_number(str(choice.get("page", "")), at_most=MAX_PAGE) or 1)
    first = (page - 1) * PAGE_ROWS
    found = queries.entries(membership.organization_id, wanted.filter(now))
    rows = list(found[first : first + PAGE_ROWS + 1])
    slug = membership.organization.slug
    head = queries.chain(membership.organization_id)
    whats = {"": "Everything"} | {name: words for name, (words, _) in wording.FAMILIES.items()}
    if done := wording.DONE.get(verb := wanted.what):
        whats[verb] = done
    return AuditPage(
        frame=frame(membership, now),
        here="audit",
        rows=[_row(one, slug) for one in rows[:PAGE_ROWS]],
        who=wanted.who,
        about=wanted.about,
        whats=options(whats, wanted.what),
        whens=options({key: words for key, (words, _) in WHENS.items()}, wanted.when),
        is_filtered=wanted.filter(now).is_narrow,
        query=wanted.query(),
        days=settings.PORTAL_AUDIT_DAYS,
        head=head,
        problem=wording.problem(head.problem) if head.problem else "",
        newer=(wanted.query(page - 1) or "page=1") if page > 1 else "",
        older=wanted.query(page + 1) if len(rows) > PAGE_ROWS else "",
        mail_to=head.mail_to if mail_to is None else mail_to,
        mail_error=mail_error,
    )


def _row(entry: AuditEntry, slug: str) -> EntryRow:
    url = ""
    if entry.object_kind == "request" and entry.object_id:
        url = reverse("requests:request", args=[slug, entry.object_id])
    return EntryRow(
        at=entry.at,
        who=wording.actor(entry),
        done=wording.done(entry),
        details=wording.details(entry),
        about=entry.object_name,
        url=url,
        came_from=wording.came_from(entry),
    )


def _text(choice: QueryDict, name: str) -> str:
    return str(choice.get(name, "")).strip()[:MAX_TEXT].replace("\0", "")

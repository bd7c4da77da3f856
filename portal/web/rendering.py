"""Pages as typed values: each dataclass has a field for every name that its template reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal import wording
from portal.core.numbers import whole_number
from portal.events.queries import MAX_SEQ, news
from portal.mitigations import queries
from portal.organizations.models import Organization
from portal.web.frame import Frame
from portal.wording.from_rows.events import event_facts, subjects_of

MAX_HEARD: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a template reads; the fields are the names in the template.

    tests/portal/web/test_templates.py compares them with the template and everything it includes.
    """

    template: ClassVar[str]
    """The file under `templates/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedPage(Page):
    """A page with the header and footer of an organization."""

    parts: ClassVar[Mapping[str, str]] = {}
    """the fragments that a script may request instead of the whole page: name → template"""

    frame: Frame
    title: str = ""
    "of the window, unless the template has its own"
    here: str = ""
    "the entry of the navigation that is marked as current"


def render_page(request: HttpRequest, page: Page, *, status: int = 200) -> HttpResponse:
    """The page; or, if a script requests changes, only the fragments that it names."""
    context = context_of(page)
    is_partial = request.headers.get("HX-Request") and "parts" in request.GET
    if not is_partial or not isinstance(page, FramedPage) or not page.parts:
        return render(request, page.template, context, status=status)
    wanted = request.GET["parts"].split(",")
    context |= {
        "parts": [page.parts[name] for name in wanted if name in page.parts],
        "heard": announcements(page.frame.organization, request.GET.get("after", "")),
    }
    return render(request, "parts.html", context, status=status)


def context_of(page: Page) -> dict[str, object]:
    """The fields by name, not copied."""
    return {field.name: getattr(page, field.name) for field in fields(page)}


def announcements(organization: Organization, after: str) -> list[tuple[int, wording.Announcement]]:
    """What screen readers announce about the events after a number; nothing if there are
    too many.
    """
    seq = whole_number(after, at_most=MAX_SEQ)
    if seq is None:
        return []
    events = news(organization.pk, seq)[:MAX_HEARD]
    subjects = subjects_of(events)
    by_id = {str(one.pk): one for one in queries.subscriptions(organization)}
    heard = []
    for event in reversed(events):
        subject = subjects.requests.get(event.request_id)
        name = subject.name if subject else ""
        about = by_id.get(str(event.data.get("subscription")))
        provider = about.provider.short_name if about else ""
        said = wording.announcement(event_facts(event, subjects, name, provider=provider))
        if said:
            heard.append((event.seq, said))
    return heard

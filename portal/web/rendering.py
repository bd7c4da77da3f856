"""Pages as typed values: each dataclass has a field or a property for every name that its template
reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from portal import wording
from portal.core.context_processors import installation
from portal.core.numbers import whole_number
from portal.events.queries import MAX_SEQ, last_seq, news
from portal.mitigations import queries
from portal.organizations.models import Membership, Organization
from portal.web.fragments import Fragment, audience_of, fragments, personal, shared_context
from portal.web.frame import Frame
from portal.wording.from_rows.events import event_facts, subjects_of

MAX_HEARD: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a template reads; the fields and properties are the names in the template.

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
    if not isinstance(page, FramedPage) or not page.parts or not names_of_parts(request):
        return render(request, page.template, context_of(page), status=status)
    parts = render_to_string("parts.html", _parts_context(request, page), request)
    return _answer(request, page.frame.membership, parts, page.frame.seq, status=status)


def render_shared(
    request: HttpRequest, membership: Membership, page: Callable[[], FramedPage]
) -> HttpResponse:
    """The same for a page that is equal for all persons of an Audience: its fragments are rendered
    once for them.
    """
    if not names_of_parts(request):
        return render_page(request, page())

    def fragment() -> Fragment:
        made = page()
        shared = {**installation(), **shared_context(request.path)}
        html = render_to_string("parts.html", _parts_context(request, made) | shared)
        return Fragment(html, made.frame.seq)

    audience = audience_of(request, membership, last_seq(membership.organization_id))
    html, seq = fragments.get(audience, fragment)
    return _answer(request, membership, personal(html, request), seq)


def names_of_parts(request: HttpRequest) -> list[str]:
    """The fragments that a script requests; none if it requests the whole page."""
    is_partial = request.headers.get("HX-Request") and "parts" in request.GET
    return request.GET["parts"].split(",") if is_partial else []


def _parts_context(request: HttpRequest, page: FramedPage) -> dict[str, object]:
    wanted = names_of_parts(request)
    return context_of(page) | {"parts": [page.parts[name] for name in wanted if name in page.parts]}


def _answer(
    request: HttpRequest, membership: Membership, parts: str, seq: int, *, status: int = 200
) -> HttpResponse:
    heard = announcements(membership.organization, request.GET.get("after", ""))
    said = render_to_string("_heard.html", {"heard": heard, "seq": seq})
    return HttpResponse(parts + said, status=status)


def context_of(page: Page) -> dict[str, object]:
    """The fields and properties by name, not copied."""
    names = [*(field.name for field in fields(page)), *properties_of(type(page))]
    return {name: getattr(page, name) for name in names}


def properties_of(page: type[Page]) -> dict[str, property]:
    """What a page computes from its fields, by name."""
    members = (vars(base).items() for base in reversed(page.__mro__))
    return {name: one for own in members for name, one in own if isinstance(one, property)}


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

"""The answer of a page: all of it, or only the parts that a script asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal import wording
from portal.core.numbers import whole_number
from portal.events.queries import MAX_SEQ, news
from portal.mitigations import queries
from portal.organizations.models import Organization
from portal.wording.from_rows.events import event_facts, subjects_of

MAX_HEARD: Final = 50


def announcements(organization: Organization, after: str) -> list[tuple[int, wording.Announcement]]:
    """What is read aloud of the events after a number; nothing when there are too many to read."""
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


def page_or_parts(
    request: HttpRequest, template: str, context: dict[str, Any], parts: Mapping[str, str]
) -> HttpResponse:
    """The page; or, when a script asks for what changed, only those of `parts` (name → template)
    that it names.
    """
    if not (request.headers.get("HX-Request") and "parts" in request.GET):
        return render(request, template, context)
    named = [parts[part] for part in request.GET["parts"].split(",") if part in parts]
    heard = announcements(context["frame"].organization, request.GET.get("after", ""))
    return render(request, "parts.html", {**context, "parts": named, "heard": heard, "oob": True})

"""The report of a request: what a person hands to somebody who was not there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

from django.http import QueryDict

from portal import wording
from portal.core.formatting import date
from portal.mitigations.models import MitigationRequest
from portal.web.frame import Frame
from portal.web.requests.request_page import numbers_of, request_page
from portal.web.requests.timeline import TimelineLine

EVERYTHING: Final = QueryDict("span=all&entries=all")


def report_page(start: Frame, request: MitigationRequest) -> dict[str, Any]:
    """As the request's page, with the whole timeline from its beginning and the whole chart."""
    now = start.now
    context = request_page(start, request, EVERYTHING)
    facts: wording.RequestFacts = context["request_facts"]
    return context | {
        "title": f"{wording.request_badge(facts, now).word} – Report – {request.name}",
        "here": "requests",
        "is_report": True,
        "numbers": numbers_of(request, facts, context["reports"], now),
        "entries": _from_the_beginning(line.entry for line in context["entries"]),
    }


def _from_the_beginning(newest_first: Iterable[wording.Entry]) -> list[TimelineLine]:
    """Each day is named once, with its year: a report is read later."""
    entries = list(newest_first)[::-1]
    days = ["", *(date(entry.at) for entry in entries)]
    return [
        TimelineLine(entry, "" if today == before else today)
        for entry, (before, today) in zip(entries, pairwise(days), strict=True)
    ]

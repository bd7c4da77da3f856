"""What each page shows, gathered with a known number of queries."""

from __future__ import annotations

from typing import Final

from portal.mitigations.pages.ended import ends, seen_at, seen_ends
from portal.mitigations.pages.form import all_wrong, form_page, fresh_form, used_again
from portal.mitigations.pages.history import history_page
from portal.mitigations.pages.now import now_page
from portal.mitigations.pages.one import ask_page, request_page
from portal.mitigations.pages.overlapping import NO_OVERLAPS, consent_of, overlaps_of, told
from portal.mitigations.pages.report import report_page
from portal.mitigations.pages.shared import announcements, frame

PARTS: Final = {
    "now": "mitigations/_now.html",
    "say": "mitigations/_say.html",
    "lanes": "mitigations/_lanes.html",
    "chart": "mitigations/_chart.html",
    "side": "mitigations/_side.html",
    "look": "mitigations/_look.html",
    "time": "mitigations/_time.html",
}
"""What a script may ask for instead of a whole page."""

__all__ = [
    "NO_OVERLAPS",
    "PARTS",
    "all_wrong",
    "announcements",
    "ask_page",
    "consent_of",
    "ends",
    "form_page",
    "frame",
    "fresh_form",
    "history_page",
    "now_page",
    "overlaps_of",
    "report_page",
    "request_page",
    "seen_at",
    "seen_ends",
    "told",
    "used_again",
]

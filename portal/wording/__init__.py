"""The sentences of the portal, shared by pages, mail and push messages.

Pure functions of plain facts and a time. A sentence never claims more than a provider confirmed,
and attributes it to that provider.
"""

from __future__ import annotations

from portal.wording.announcements import Announcement, announcement
from portal.wording.badges import (
    BADGES,
    FILTERING,
    MAY_FILTER,
    REQUEST_BADGES,
    DisplayStatus,
    display_status,
    dropped_now,
    headline_badge,
    is_stale,
    mitigation_badge,
    request_badge,
)
from portal.wording.dropped import is_dropping
from portal.wording.efficacy import efficacy_sentence
from portal.wording.ends import end_badge, end_sentence, ended_says
from portal.wording.facts import (
    Badge,
    FilteringEndFacts,
    MitigationFacts,
    Reported,
    RequestFacts,
    Session,
)
from portal.wording.headlines import headline
from portal.wording.next_step import Act, NextStep, next_step
from portal.wording.plans import is_held_now, still_held
from portal.wording.progress_track import ProgressStep, track
from portal.wording.provider_cards import needs_call, tell
from portal.wording.refusals import refusal_sentence
from portal.wording.replaced import again_label, is_less
from portal.wording.sessions import (
    Say,
    attack_says,
    calm_says,
    needs_a_person,
    path_sentence,
    rank,
    request_says,
    session_badge,
    session_sentence,
)
from portal.wording.stop_question import stop_question
from portal.wording.summaries import lifetime_sentence, summary
from portal.wording.terminate_question import (
    Question,
    colleagues,
    goes_to,
    may_not_end,
    terminate_question,
)
from portal.wording.timeline import entry, merged, reports_entry, silence_entry
from portal.wording.timeline_entry import Entry, EventFacts
from portal.wording.withdraw_question import ask_label, withdraw_question

__all__ = [
    "BADGES",
    "FILTERING",
    "MAY_FILTER",
    "REQUEST_BADGES",
    "Act",
    "Announcement",
    "Badge",
    "DisplayStatus",
    "Entry",
    "EventFacts",
    "FilteringEndFacts",
    "MitigationFacts",
    "NextStep",
    "ProgressStep",
    "Question",
    "Reported",
    "RequestFacts",
    "Say",
    "Session",
    "again_label",
    "announcement",
    "ask_label",
    "attack_says",
    "calm_says",
    "colleagues",
    "display_status",
    "dropped_now",
    "efficacy_sentence",
    "end_badge",
    "end_sentence",
    "ended_says",
    "entry",
    "goes_to",
    "headline",
    "headline_badge",
    "is_dropping",
    "is_held_now",
    "is_less",
    "is_stale",
    "lifetime_sentence",
    "may_not_end",
    "merged",
    "mitigation_badge",
    "needs_a_person",
    "needs_call",
    "next_step",
    "path_sentence",
    "rank",
    "refusal_sentence",
    "reports_entry",
    "request_badge",
    "request_says",
    "session_badge",
    "session_sentence",
    "silence_entry",
    "still_held",
    "stop_question",
    "summary",
    "tell",
    "terminate_question",
    "track",
    "withdraw_question",
]

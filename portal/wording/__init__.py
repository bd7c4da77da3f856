"""The words of the portal: one table, read by pages, mail and push alike.

Pure functions of plain facts and a moment. A sentence never says more than a provider confirmed, and says who said it.
"""

from __future__ import annotations

from portal.wording.aloud import Announcement, announcement
from portal.wording.efficacy import efficacy_sentence
from portal.wording.ends import end_look, end_sentence, ended_says
from portal.wording.facts import Asked, FilteringEnd, Look, MitigationFacts, Reported, Session
from portal.wording.headlines import headline, look, mark
from portal.wording.lanes import Step, needs_call, tell, track
from portal.wording.leads import Act, NextStep, lead, lifetime_sentence, next_step
from portal.wording.plans import is_held_now, still_held
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
    session_look,
    session_sentence,
)
from portal.wording.stopping import stop_question
from portal.wording.table import (
    FILTERING,
    LOOKS,
    MAY_FILTER,
    REQUEST_LOOKS,
    Face,
    dropped_now,
    face,
    is_stale,
    mitigation_look,
)
from portal.wording.terminating import (
    Question,
    colleagues,
    goes_to,
    may_not_end,
    terminate_question,
)
from portal.wording.timeline import Entry, Told, entry, merged, reports_entry, silence_entry
from portal.wording.withdrawing import ask_label, withdraw_question

__all__ = [
    "FILTERING",
    "LOOKS",
    "MAY_FILTER",
    "REQUEST_LOOKS",
    "Act",
    "Announcement",
    "Asked",
    "Entry",
    "Face",
    "FilteringEnd",
    "Look",
    "MitigationFacts",
    "NextStep",
    "Question",
    "Reported",
    "Say",
    "Session",
    "Step",
    "Told",
    "again_label",
    "announcement",
    "ask_label",
    "attack_says",
    "calm_says",
    "colleagues",
    "dropped_now",
    "efficacy_sentence",
    "end_look",
    "end_sentence",
    "ended_says",
    "entry",
    "face",
    "goes_to",
    "headline",
    "is_held_now",
    "is_less",
    "is_stale",
    "lead",
    "lifetime_sentence",
    "look",
    "mark",
    "may_not_end",
    "merged",
    "mitigation_look",
    "needs_a_person",
    "needs_call",
    "next_step",
    "path_sentence",
    "rank",
    "refusal_sentence",
    "reports_entry",
    "request_says",
    "session_look",
    "session_sentence",
    "silence_entry",
    "still_held",
    "stop_question",
    "tell",
    "terminate_question",
    "track",
    "withdraw_question",
]

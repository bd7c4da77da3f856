"""From rows to what templates show. No words are made here; they are wording's."""

from __future__ import annotations

from portal.mitigations.presentation.asked import (
    facts,
    scope_line,
    short_life,
    targets,
    when_used,
)
from portal.mitigations.presentation.frame import Frame
from portal.mitigations.presentation.legs import (
    Chip,
    Lane,
    asked_of,
    end_chip,
    lanes,
    leg_of,
    request_chip,
    session_of,
)
from portal.mitigations.presentation.told import (
    Line,
    Number,
    dated,
    numbers,
    status_moments,
    timeline,
    told_of,
)
from portal.mitigations.wording.traffic import PROTOCOLS, traffic_words

__all__ = [
    "PROTOCOLS",
    "Chip",
    "Frame",
    "Lane",
    "Line",
    "Number",
    "asked_of",
    "dated",
    "end_chip",
    "facts",
    "lanes",
    "leg_of",
    "numbers",
    "request_chip",
    "scope_line",
    "session_of",
    "short_life",
    "status_moments",
    "targets",
    "timeline",
    "told_of",
    "traffic_words",
    "when_used",
]

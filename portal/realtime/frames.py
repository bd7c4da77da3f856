"""What a socket sends: events and heartbeats, as JSON texts that all readers of an organization
share.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from time import time
from typing import Final

from portal.core.broadcast import EventFrame
from portal.events.models import EventType

HEARTBEAT: Final = "heartbeat"
"""The type of that frame. No event has it."""


AMOUNTS: Final = "amounts"
"""The type of the frame that has the newest amounts of several mitigations. No event has it."""


class EncodedEvent:
    """One event, encoded at most once."""

    def __init__(self, event: EventFrame) -> None:
        self.event = event
        self.seq = event["seq"]

    @cached_property
    def text(self) -> str:
        return _encoded(self.event)

    @cached_property
    def amounts_text(self) -> str:
        """Its part of an `amounts` frame: the mitigation, what its provider reported (bytes, bytes
        per second, packets per second; null if not reported), and when (seconds since 1970).
        """
        data = self.event["data"]
        values = [data.get(key) for key in ("bytes_dropped", "bps_dropped", "pps_dropped")]
        at = round(datetime.fromisoformat(self.event["at"]).timestamp(), 1)
        return f"{_json(self.event['mitigation'])}:{_json([*values, at])}"

    @property
    def is_numbers(self) -> bool:
        """Whether it only has amounts, which the next report of the same mitigation replaces."""
        return self.event["type"] == EventType.MITIGATION_COUNTERS

    @property
    def thinned(self) -> int:
        return self.event.get("thinned", 0)

    @property
    def age_s(self) -> float:
        """Seconds since the event happened, by this machine's clock; never less than 0."""
        return max(0.0, time() - datetime.fromisoformat(self.event["at"]).timestamp())

    def after(self, seq: int) -> EncodedEvent:
        """The frame for a reader that has all numbers up to `seq`: those are not missing."""
        thinned = min(self.thinned, self.seq - 1 - seq)
        return self if thinned == self.thinned else EncodedEvent({**self.event, "thinned": thinned})


def fold(frames: Iterable[EncodedEvent]) -> list[EncodedEvent]:
    """The same frames with only the newest numbers of each mitigation, in order.

    `frames` are consecutive in the log. As in the log (ADR 12), `thinned` of the frame after a gap
    says how many numbers are missing, and a report does not say how long a missing one lasted.
    """
    frames = list(frames)
    newest = {frame.event["mitigation"]: frame for frame in frames if frame.is_numbers}
    kept: list[EncodedEvent] = []
    missing = 0
    replaced: set[str | None] = set()
    for frame in frames:
        mitigation = frame.event["mitigation"]
        if frame.is_numbers and frame is not newest[mitigation]:
            missing += 1 + frame.thinned
            replaced.add(mitigation)
            continue
        kept.append(_after_gap(frame, missing, has_lost_predecessor=mitigation in replaced))
        missing = 0
    return kept


def _after_gap(frame: EncodedEvent, missing: int, *, has_lost_predecessor: bool) -> EncodedEvent:
    event = frame.event.copy()
    if missing:
        event["thinned"] = frame.thinned + missing
    if frame.is_numbers and has_lost_predecessor and "held_until" in event["data"]:
        event["data"] = {key: one for key, one in event["data"].items() if key != "held_until"}
    return frame if event == frame.event else EncodedEvent(event)


def amounts(reports: Sequence[EncodedEvent]) -> str:
    """One frame for a page: the newest amounts of each mitigation in these reports.

    A sixth of the size of the events that it replaces. It has the number of the last one.
    """
    last = reports[-1].event
    newest = {report.event["mitigation"]: report for report in reports}
    data = ",".join(report.amounts_text for report in newest.values())
    return f'{{"seq":{last["seq"]},"at":{_json(last["at"])},"type":"{AMOUNTS}","data":{{{data}}}}}'


def heartbeat(seq: int) -> str:
    """A frame that says that the table has no event after `seq` at the moment `at`.

    It has every key of an event and the number of one already sent, so a client that only knows
    events ignores it.
    """
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return _encoded(
        EventFrame(seq=seq, at=at, type=HEARTBEAT, request=None, mitigation=None, data={})
    )


def _encoded(event: EventFrame) -> str:
    return _json(event)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

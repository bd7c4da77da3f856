"""The live requests of the Now page, as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal import wording
from portal.core.formatting import bit_rate, shortened
from portal.events.queries import counter_reports
from portal.mitigations.models import MitigationRequest
from portal.mitigations.notes import LatestNote, latest_notes
from portal.mitigations.responsible import Responsible, responsible_for
from portal.web.live_amounts import rate_amounts
from portal.web.requests import chart
from portal.web.requests.described import scope_line, short_life
from portal.web.requests.provider_cards import (
    Chip,
    ProviderCard,
    is_ordered,
    provider_cards_of,
    request_chip,
)
from portal.web.requests.samples import samples_of, within

FULL_CARDS: Final = 6
"""With more live requests than this, those without trouble take one line each."""
SPARK_FOR: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A live request and what is known about it."""

    request: MitigationRequest
    facts: wording.RequestFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class CardNote:
    """The newest note on a request, short."""

    by: str
    at: datetime
    text: str
    earlier: int
    "how many notes there are besides"

    @classmethod
    def of(cls, latest: LatestNote) -> CardNote:
        note = latest.note
        return cls(by=note.by, at=note.at, text=shortened(note.text), earlier=latest.count - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A live request on the Now page."""

    request: MitigationRequest
    chip: Chip
    provider_cards: list[ProviderCard]
    targets: str
    tell: str
    rate: tuple[str, str] | None
    "number and unit"
    amounts: str
    "those in `rate` that the script keeps current"
    is_rate_old: bool
    "a provider that is now silent reported part of it"
    spark: str
    life: str
    responsible: Responsible
    note: CardNote | None
    "the newest one"
    is_full: bool


def cards_of(live: Sequence[Live], now: datetime, *, worst: Live | None) -> list[Card]:
    """The worst one's sentence is the page's headline, so its card does not repeat it."""
    samples = _recent_samples([one.request for one in live], now)
    notes = latest_notes([one.request.pk for one in live])
    return [
        _card(
            one,
            now,
            note=notes.get(one.request.pk),
            spark=chart.spark(samples[one.request.pk], start=now - SPARK_FOR, end=now),
            is_worst=one is worst,
            is_crowded=len(live) > FULL_CARDS,
        )
        for one in live
    ]


def _card(
    live: Live,
    now: datetime,
    *,
    note: LatestNote | None,
    spark: str,
    is_worst: bool,
    is_crowded: bool,
) -> Card:
    request, facts = live.request, live.facts
    is_good = wording.request_badge(facts, now).family == "good"
    rate = wording.dropped_now(facts.mitigations, now)
    provider_cards = provider_cards_of(facts, now, is_ordered=is_ordered(request))
    return Card(
        request=request,
        chip=request_chip(facts, now),
        provider_cards=provider_cards,
        targets=scope_line(request),
        tell="" if is_good or is_worst else wording.headline(facts, now),
        rate=_number_and_unit(bit_rate(rate)) if rate is not None else None,
        amounts=rate_amounts(
            facts.mitigations, now, forms=("bit_rate_number", "bit_rate_unit"), with_old=True
        ),
        is_rate_old=any(
            one.rate is not None and one.chip.as_of is not None for one in provider_cards
        ),
        spark=spark,
        life=short_life(request, facts, now),
        responsible=responsible_for(request),
        note=CardNote.of(note) if note else None,
        is_full=not (is_crowded and is_good),
    )


def _number_and_unit(words: str) -> tuple[str, str]:
    number, _, unit = words.partition("\u00a0")
    return number, unit


def _recent_samples(
    live: Sequence[MitigationRequest], now: datetime
) -> Mapping[UUID, Sequence[chart.Sample]]:
    """The combined rate of all providers of a request, per report."""
    if not live:
        return {}
    start = now - SPARK_FOR
    reports = counter_reports([one.pk for one in live], since=start)
    mitigations = [one for request in live for one in request.mitigations.all()]
    samples = samples_of(mitigations, reports, "bps_dropped")
    return {
        request.pk: chart.summed(
            [within(samples[one.pk], start) for one in request.mitigations.all()]
        )
        for request in live
    }

"""The page of one request: whether it works, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.http import QueryDict
from django.urls import reverse

from portal import wording
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest
from portal.mitigations.responsible import Responsible, responsible_for
from portal.mitigations.states import RequestStatus
from portal.web.alerts.evidence import evidence_of
from portal.web.frame import Frame
from portal.web.live_amounts import rate_amounts
from portal.web.rendering import FramedPage
from portal.web.requests.chart_traffic import ReportedTraffic, reports_of, traffic_of
from portal.web.requests.described import (
    RequestDescription,
    describe_request,
    targets_of,
)
from portal.web.requests.ended import Ended, Ends, ended
from portal.web.requests.note_form import NoteForm
from portal.web.requests.numbers import Number, numbers_of
from portal.web.requests.provider_cards import (
    Chip,
    ProviderCard,
    is_ordered,
    provider_cards_of,
    request_chip,
)
from portal.web.requests.questions import (
    can_change_providers,
    is_live,
    stop_question_of,
    terminate_question_of,
)
from portal.web.requests.request_form import lifetime_choices
from portal.web.requests.shared import facts_of, operators
from portal.web.requests.timeline import TimelineLine, by_day, read_timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The actions of a person on a request, with their confirmations."""

    next: wording.NextStep | None
    "the obvious one"
    question: wording.Question | None
    "before it ends; None if it has ended or its end was already requested"
    stop: wording.Question | None
    "before a plan stops filtering"
    can_extend: bool
    lifetimes: list[tuple[str, str]]
    "to extend by: value, label"
    refusal: str
    "why this person cannot act; empty otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficacyForm:
    """The person's view of the attack, for the providers that filter."""

    goes_to: str
    "the providers, as text"
    reported: list[str]
    "sentences"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPage(FramedPage):
    """A request in fragments, each of which can be fetched alone."""

    template: ClassVar = "requests/request.html"
    parts: ClassVar = {
        "say": "requests/_say.html",
        "responsible": "requests/_responsible.html",
        "lanes": "requests/_provider_cards.html",
        "chart": "requests/_chart.html",
        "side": "requests/_side.html",
        "look": "requests/_look.html",
        "time": "requests/_time.html",
        "evidence": "alerts/_evidence.html",
    }

    request_: MitigationRequest
    chip: Chip
    say: wording.Say
    amounts: str
    "those in `say` that the script keeps current"
    actions: Actions
    can_act: bool
    responsible: Responsible
    note: NoteForm | None
    "None: this person may not write notes"
    is_live: bool
    is_plan: bool
    ended: Ended | None
    plan_ends: Ends
    "providers ended filtering for a plan, and no person has acknowledged it"
    numbers: tuple[Number, ...]
    provider_cards: list[ProviderCard]
    is_ordered: bool
    ask_url: str
    "where the buttons that ask one provider post to"
    traffic: ReportedTraffic
    efficacy: EfficacyForm | None
    facts: RequestDescription
    evidence: Sequence[str]
    "what detectors report about its targets"
    entries: list[TimelineLine]
    shown_entries: str
    earlier_entries: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPage(FramedPage):
    """Only the chart of a request, which is requested every few seconds."""

    template: ClassVar = "requests/_chart.html"
    parts: ClassVar = {"chart": "requests/_chart.html"}

    request_: MitigationRequest
    traffic: ReportedTraffic


def chart_page(start: Frame, request: MitigationRequest, choice: QueryDict) -> ChartPage:
    """`start` was made before `request` was read."""
    facts = facts_of(start.organization, request)
    reports = reports_of(request, start.now, choice)
    return ChartPage(
        frame=start,
        title=_title(request, facts, start.now),
        request_=request,
        traffic=traffic_of(request, facts, reports, start.now, choice),
    )


def _title(request: MitigationRequest, facts: wording.RequestFacts, now: datetime) -> str:
    return f"{wording.request_badge(facts, now).word} – {request.name}"


def request_page(
    start: Frame, request: MitigationRequest, choice: QueryDict, *, note: NoteForm | None = None
) -> RequestPage:
    """`start` was made before `request` was read. `note`: the form of a note as it was typed."""
    now, organization = start.now, start.organization
    facts = facts_of(organization, request)
    reports = reports_of(request, now, choice)
    timeline = read_timeline(request, organization, choice)
    can_act = start.membership.can_operate
    return RequestPage(
        frame=start,
        title=_title(request, facts, now),
        request_=request,
        chip=request_chip(facts, now),
        say=wording.request_says(facts, now),
        amounts=rate_amounts(facts.started, now),
        actions=_actions(start, request, facts),
        can_act=can_act,
        responsible=responsible_for(request),
        note=(note or NoteForm.new()) if can_act else None,
        is_live=is_live(request),
        is_plan=facts.is_plan,
        ended=ended(request, facts, now) if request.is_over else None,
        plan_ends=_plan_ends(request, facts, now),
        numbers=numbers_of(request, facts, reports, now) if request.is_over else (),
        provider_cards=provider_cards_of(
            facts,
            now,
            is_ordered=is_ordered(request),
            targets=targets_of(request),
            can_act=can_act and can_change_providers(request),
        ),
        is_ordered=is_ordered(request),
        ask_url=reverse("requests:ask", args=[organization.slug, request.pk]),
        traffic=traffic_of(request, facts, reports, now, choice),
        efficacy=_efficacy(facts, now) if can_act and can_change_providers(request) else None,
        facts=describe_request(request, facts, now),
        evidence=evidence_of(request, now),
        entries=by_day(timeline.entries, now),
        shown_entries=timeline.shown,
        earlier_entries=timeline.earlier,
    )


def _actions(start: Frame, request: MitigationRequest, facts: wording.RequestFacts) -> Actions:
    membership, now, organization = start.membership, start.now, start.organization
    return Actions(
        next=wording.next_step(facts, now),
        question=terminate_question_of(request, facts, now) if is_live(request) else None,
        stop=stop_question_of(request, facts, now),
        can_extend=not facts.is_plan
        and facts.status not in (RequestStatus.REQUESTING, RequestStatus.FAILING),
        lifetimes=lifetime_choices(queries.policy(organization), ""),
        refusal=""
        if membership.can_operate
        else wording.may_not_end(membership.role, operators(organization)),
    )


def _plan_ends(request: MitigationRequest, facts: wording.RequestFacts, now: datetime) -> Ends:
    if request.filtering_ended_at is None or request.acknowledged_at is not None:
        return Ends()
    return Ends(rows=(ended(request, facts, now),))


def _efficacy(facts: wording.RequestFacts, now: datetime) -> EfficacyForm | None:
    filtering = [
        one for one in facts.started if wording.display_status(one, now) in wording.FILTERING
    ]
    if not filtering:
        return None
    sentences = (wording.efficacy_sentence(one, now) for one in filtering)
    return EfficacyForm(
        goes_to=wording.goes_to([one.short for one in filtering]),
        reported=[one for one in sentences if one],
    )

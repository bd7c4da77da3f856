"""Open proposals of detectors as cards, on the pages Alerts and Now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.urls import reverse

from portal.alerts.models import AlertProposal, ProposedAct
from portal.alerts.services.preview import preview_proposal, reason_of, submission_of
from portal.core.errors import Invalid
from portal.web.frame import Frame
from portal.web.requests.preview_page import typed
from portal.web.requests.request_form import RequestForm
from portal.wording import incidents as wording


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalCard:
    """An open proposal, with what confirming it would do."""

    id: str
    title: str
    why: str
    amounts: str
    made_at: datetime
    expires_at: datetime | None
    is_end: bool
    lines: Sequence[str]
    "what it would send"
    replaced: Sequence[str]
    "live requests that it would end"
    preview: str
    problems: Sequence[str]
    automatic: str
    "what the portal did without a person, or why it did not"
    typed: Sequence[tuple[str, str]]
    "the fields of the form of a request, to edit it"
    request: str
    "the page of the request that it would terminate"
    confirm: str
    dismiss: str
    error: str
    reason: str


def proposal_card(start: Frame, proposal: AlertProposal) -> ProposalCard:
    slug, incident = start.organization.slug, proposal.incident
    lines: Sequence[str] = ()
    replaced: Sequence[str] = ()
    problems: Sequence[str] = ()
    digest = ""
    fields: Sequence[tuple[str, str]] = ()
    if proposal.act == ProposedAct.MITIGATE:
        lifetime_s = start.organization.default_lifetime_s
        submission = replace(submission_of(proposal), lifetime_s=lifetime_s)
        fields = typed(RequestForm.filled(submission))
        try:
            found = preview_proposal(proposal)
        except Invalid as error:
            problems = [one.message for one in error.errors] or [error.message]
        else:
            digest, lines = found.digest, found.preview.lines
            replaced = found.preview.replaced
    return ProposalCard(
        id=str(proposal.pk),
        title=wording.proposal_title(proposal),
        why=reason_of(incident),
        amounts=wording.amounts(incident),
        made_at=proposal.made_at,
        expires_at=proposal.expires_at,
        is_end=proposal.act == ProposedAct.TERMINATE,
        lines=lines,
        replaced=replaced,
        preview=digest,
        problems=problems,
        automatic=wording.automatic_says(proposal),
        typed=fields,
        request=reverse("requests:request", args=[slug, proposal.request_id])
        if proposal.request_id
        else "",
        confirm=reverse("alerts:confirm", args=[slug, proposal.pk]),
        dismiss=reverse("alerts:dismiss", args=[slug, proposal.pk]),
        error="",
        reason="",
    )

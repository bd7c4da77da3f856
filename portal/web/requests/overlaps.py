"""The live requests that a new one overlaps, and what to send instead: shown while the form is
filled in and on sending.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import QueryDict
from django.urls import reverse

from portal import wording
from portal.core.errors import Invalid
from portal.mitigations import queries
from portal.mitigations.consent import Consent
from portal.mitigations.models import MitigationRequest
from portal.mitigations.replacement import Proposal, Replaced, would_replace
from portal.mitigations.services.consent_check import CheckContext, joint_request
from portal.mitigations.states import STALE_AFTER, RequestStatus
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.web.requests.request_form import typed_id
from portal.web.requests.shared import subscriptions
from portal.wording.from_rows.mitigations import request_facts
from portal.wording.replacement_losses import (
    already,
    may_be_protected,
    no_joint_request,
    taken_away,
)

SHOWN: Final = 4
"""Overlapping requests that the page names; it counts the rest."""
MAX_NAMED: Final = 100
"""Overlapping requests that a posted page may name."""
_CAN_BE_EXTENDED: Final = (
    RequestStatus.IN_PROGRESS,
    RequestStatus.MITIGATING,
    RequestStatus.ATTACK_STOPPED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A live request, or an unknown mitigation, that the new request would replace."""

    name: str
    url: str
    is_protected: bool
    "a provider reports filtering for it"
    headline: str
    loses: str
    "what it loses at which provider, as sentences; empty if nothing"
    extended: UUID | None = None
    "the request, if it can be extended"
    is_unknown: bool = False

    @property
    def already(self) -> str:
        if self.is_unknown and not self.is_protected:
            return may_be_protected(self.name)
        return already(self.name, is_protected=self.is_protected)

    @property
    def open_label(self) -> str:
        return "Adopt or withdraw it" if self.is_unknown else f"Open {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """Everything that the new request would replace, and what to send instead."""

    shown: tuple[Overlap, ...] = ()
    more: int = 0
    ids: tuple[str, ...] = ()
    "of all of them"
    protector: Overlap | None = None
    "a live request that already covers everything"
    loses: bool = False
    "some of them would lose protection"
    can_be_joined: bool = False
    "one request can cover everything in all of them, so that nothing loses protection"
    why_not_joined: str = ""

    def __bool__(self) -> bool:
        return bool(self.ids)

    @property
    def summary(self) -> str:
        """Why nothing was sent, in one line; empty if the request may be sent."""
        if self.protector is not None:
            return self.protector.already
        return next((one.loses for one in self.shown if one.loses), "")


NO_OVERLAPS: Final = Overlaps()


def consent_of(typed: QueryDict) -> Consent:
    """The consent of the pressed button: one request for all, or this one in place of
    those shown.
    """
    if "both" in typed:
        return Consent(is_joint=True)
    named = typed.getlist("replaces")[:MAX_NAMED] if "only" in typed else []
    ids = (typed_id(one) for one in named)
    return Consent(named=tuple(one for one in ids if one is not None), wider_is_free=True)


def overlaps_of(
    organization: Organization,
    proposal: Proposal,
    now: datetime,
    *,
    submission: Submission,
    instead_of: Collection[UUID] = (),
) -> Overlaps:
    """`proposal`: the part of `submission` that can be read and sent.

    `instead_of`: requests of the same plan.
    """
    live = queries.replaceable(organization.pk, but=instead_of)
    found = would_replace(proposal, live)
    if not found:
        return NO_OVERLAPS
    overlaps = describe_overlaps(organization, found, now)
    try:
        check_context = CheckContext.of(organization)
        checked = check_context.check(submission)
    except Invalid:
        # The page reports that elsewhere, whatever is sent in the end.
        return replace(overlaps, can_be_joined=True)
    try:
        _, joint = joint_request(check_context, submission, checked, found, live=live)
    except Invalid as error:
        return replace(overlaps, why_not_joined=no_joint_request(error.errors[0].message))
    return replace(overlaps, can_be_joined=not any(one.losses for one in joint))


def describe_overlaps(
    organization: Organization, found: Sequence[Replaced], now: datetime
) -> Overlaps:
    """The overlaps, without checking whether one request can cover all of them."""
    ids = [one.id for one in found]
    requests = queries.requests(organization, kinds=queries.EVERY_KIND).in_bulk(ids)
    by_id = subscriptions(organization)
    shown = [
        _unknown_overlap(one, one.what, organization, now)
        if isinstance(one.what, Unknown)
        else _overlap(one, requests[one.id], by_id, now)
        for one in found
    ]
    protecting = [one for one, each in zip(shown, found, strict=True) if each.protects_all]
    return Overlaps(
        shown=tuple(shown[:SHOWN]),
        more=max(0, len(shown) - SHOWN),
        ids=tuple(str(one) for one in ids),
        protector=protecting[0] if protecting else None,
        loses=any(one.losses for one in found),
    )


def _overlap(
    replaced: Replaced,
    request: MitigationRequest,
    by_id: Mapping[str, Subscription],
    now: datetime,
) -> Overlap:
    facts = request_facts(request, by_id, request.organization)
    can_be_extended = request.is_immediate and request.status in _CAN_BE_EXTENDED
    return Overlap(
        name=request.name,
        url=request.get_absolute_url(),
        is_protected=any(
            wording.display_status(mitigation, now) in wording.FILTERING
            and not wording.is_stale(mitigation, now)
            for mitigation in facts.started
        ),
        headline=wording.headline(facts, now),
        loses=_loses(replaced),
        extended=request.pk if can_be_extended else None,
    )


def _unknown_overlap(
    replaced: Replaced, unknown: Unknown, organization: Organization, now: datetime
) -> Overlap:
    now_page = reverse("now:now", args=[organization.slug])
    return Overlap(
        name=replaced.name,
        url=f"{now_page}#unknown",
        is_protected=unknown.is_active and now - unknown.reported_at <= STALE_AFTER,
        headline="",
        loses=_loses(replaced),
        is_unknown=True,
    )


def _loses(replaced: Replaced) -> str:
    return taken_away(
        ((one.provider, one.losses) for one in replaced.endings),
        is_filtering=replaced.is_filtering,
    )

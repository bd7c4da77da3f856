"""Unknown mitigations on pages: rows as facts, sentences and buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from portal.inventory import queries
from portal.inventory.adoptable import NotAdoptable, adoptable
from portal.inventory.models import Inventory, UnknownMitigation
from portal.mitigations import queries as mitigations
from portal.mitigations.states import reported_status
from portal.organizations.models import Organization
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.web.requests.provider_cards import Chip
from portal.wording import Question, Say
from portal.wording import unknown as wording
from portal.wording.from_rows.unknown import lost, unknown_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An unknown mitigation on a page."""

    id: str
    name: str
    "of the provider"
    fact: str
    rest: str
    chip: Chip
    reported_at: datetime
    phone: str
    "to call; empty if waiting is enough"
    reference: str
    why_not_adopted: str
    "why it cannot be adopted; empty if it can"
    question: Question | None
    "what a withdrawal would do; None if a person already asked for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownSection:
    """All unknown mitigations that an organization's providers hold, on the Now page."""

    shown: tuple[Shown, ...]
    not_listed: int
    "how many more there are"
    say: Say | None
    "the opening of the page if nothing is more urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWithdrawalPage(FramedPage):
    """The question before one of them is withdrawn, for browsers without scripts."""

    template: ClassVar = "unknown/withdraw.html"

    one: Shown


def found(frame: Frame) -> UnknownSection:
    rows = list(queries.present(frame.organization))
    if not rows:
        return UnknownSection(shown=(), not_listed=0, say=None)
    refusals = _why_not(frame.organization, rows, frame.now) if frame.membership.can_operate else {}
    facts = [unknown_facts(row, refusals.get(row)) for row in rows]
    inventories = Inventory.objects.filter(subscription__organization=frame.organization)
    return UnknownSection(
        shown=tuple(_shown(row, one, frame.now) for row, one in zip(rows, facts, strict=True)),
        not_listed=sum(inventories.values_list("not_kept", flat=True)),
        say=wording.says(facts, lost=lost(frame.organization)),
    )


def withdraw_page(start: Frame, row: UnknownMitigation) -> UnknownWithdrawalPage:
    why_not = _why_not(start.organization, [row], start.now).get(row)
    return UnknownWithdrawalPage(
        frame=start, here="now", one=_shown(row, unknown_facts(row, why_not), start.now)
    )


def _shown(row: UnknownMitigation, unknown: wording.UnknownFacts, now: datetime) -> Shown:
    fact, rest = wording.tell(unknown, now)
    provider = row.subscription.provider
    is_down = unknown.session.state != "up"
    needs_call = unknown.withdrawal_asked_at is not None and (
        (unknown.confirmed_at is None and is_down)
        or bool(unknown.refusal_code)
        or wording.goes_on(unknown, now)
        or unknown.is_still_held
    )
    is_old = wording.is_stale(unknown, now) and unknown.withdrawal_asked_at is None
    status = reported_status(row.dots_status)
    return Shown(
        id=str(row.pk),
        name=provider.name,
        fact=fact,
        rest=rest,
        chip=Chip(
            badge=wording.badge(unknown),
            status="unknown" if status is None else status.value,
            as_of=row.reported_at if is_old else None,
        ),
        reported_at=row.reported_at,
        phone=provider.phone if needs_call else "",
        reference=f"cuid {row.cuid}, mid {row.mid}",
        why_not_adopted=unknown.why_not_adopted,
        question=None
        if unknown.withdrawal_asked_at is not None
        else wording.withdraw_question(unknown),
    )


def _why_not(
    organization: Organization, rows: Sequence[UnknownMitigation], now: datetime
) -> dict[UnknownMitigation, NotAdoptable]:
    """The reason for each mitigation that no request can own."""
    resources = mitigations.verified_resources(organization)
    eligible_providers, policy = (
        mitigations.eligible_providers(organization),
        mitigations.policy(organization),
    )
    known = queries.mids_of_requests(rows)
    refusals = {}
    for row in rows:
        try:
            adoptable(
                row,
                provider=row.subscription.provider.short_name,
                has_row=(row.subscription_id, row.mid) in known,
                resources=resources,
                eligible_providers=eligible_providers,
                policy=policy,
                now=now,
            )
        except NotAdoptable as error:
            refusals[row] = error
    return refusals

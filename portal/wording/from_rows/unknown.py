"""Convert rows to the facts of unknown mitigations."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from portal.inventory import queries
from portal.inventory.adoptable import NotAdoptable
from portal.inventory.models import UnknownMitigation
from portal.mitigations import queries as mitigations
from portal.organizations.acting import name_at
from portal.organizations.models import Organization
from portal.providers.models import SessionState
from portal.wording import unknown as wording
from portal.wording.from_rows.mitigations import session_of


def beside(organization: Organization) -> dict[UUID, str]:
    """The unknown mitigations of each provider in one or two sentences, by subscription."""
    by_subscription: dict[UUID, list[wording.UnknownFacts]] = defaultdict(list)
    for row in queries.present(organization):
        by_subscription[row.subscription_id].append(unknown_facts(row))
    return {one: wording.beside(facts) for one, facts in by_subscription.items()}


def lost(organization: Organization) -> list[str]:
    own = mitigations.subscriptions(organization).filter(enabled=True)
    return [one.provider.short_name for one in own if one.session_state != SessionState.UP]


def unknown_facts(
    row: UnknownMitigation, why_not: NotAdoptable | None = None
) -> wording.UnknownFacts:
    asked_by = row.asked_once.request if row.asked_once else None
    released_for = queries.released_for(row)
    return wording.UnknownFacts(
        provider=row.subscription.provider.short_name,
        session=session_of(row.subscription),
        targets=row.targets.texts,
        dots_status=row.dots_status,
        reported_at=row.reported_at,
        expires_at=row.expires_at,
        is_indefinite=row.is_indefinite,
        asked_by=asked_by.name if asked_by else "",
        asked_until=row.asked_once.ended_at if row.asked_once else None,
        withdrawn_by=name_at(row.withdrawn_by, row.organization_id, row.withdrawal_asked_at),
        withdrawal_asked_at=row.withdrawal_asked_at,
        confirmed_at=row.withdrawal_confirmed_at,
        refusal_code=row.refusal_code,
        is_still_held=row.is_still_held,
        release_tried_at=row.release_tried_at,
        is_release_given_up=row.is_release_given_up,
        released_for=released_for.request.name if released_for else "",
        why_not_adopted=why_not.message if why_not else "",
    )

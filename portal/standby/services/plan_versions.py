"""The requests of a plan: its current version, and replaced ones until providers drop them.

Locks are taken in this order: organization, plan, request and its dependents (docs/locking.md).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import NotFound
from portal.core.sweeping import count_done
from portal.mitigations import services as mitigations
from portal.mitigations.failover import current_mitigations
from portal.mitigations.models import Wanted
from portal.mitigations.states import ACTIVE, CONFIRMED, REQUEST_TERMINAL
from portal.organizations.access import require_current_role
from portal.organizations.models import Organization
from portal.standby.models import StandbyPlan

MAX_CHANGES_FINISHED: Final = 200
"""Maximum replaced versions per sweep; the rest waits for the next one."""


def versions(plan: StandbyPlan) -> set[UUID]:
    """The requests of a plan, including replaced ones."""
    return {plan.request_id, *plan.earlier.values_list("pk", flat=True)}


def locked(plan_id: UUID, actor: Actor) -> StandbyPlan:
    """The plan, locked with everything that a change of it needs. Must run in a transaction.

    NotFound or NotAllowed if the actor's right has ended since the call began.
    """
    organization_id = StandbyPlan.objects.values_list("organization_id", flat=True).get(pk=plan_id)
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    plan = StandbyPlan.objects.select_for_update(of=("self",)).get(pk=plan_id)
    if plan.removed_at is not None:
        raise NotFound
    lock_versions(plan)
    require_current_role(organization_id, actor)
    return plan


def lock_versions(plan: StandbyPlan) -> None:
    """Lock all versions before the first of them changes, because each change also locks the
    log.
    """
    earlier = plan.earlier.exclude(status__in=REQUEST_TERMINAL).values_list("pk", flat=True)
    activation = [] if plan.activation_id is None else [plan.activation_id]
    mitigations.lock_requests([plan.request_id, *activation, *earlier])


def finish_changes() -> int:
    """Withdraw replaced versions where providers hold the new one; return how many mitigations
    ended.
    """
    unfinished = (
        StandbyPlan.objects.filter(earlier__isnull=False)
        .exclude(earlier__status__in=REQUEST_TERMINAL)
        .values_list("pk", flat=True)
        .distinct()[:MAX_CHANGES_FINISHED]
    )
    return count_done(_finish_change, list(unfinished))


@transaction.atomic
def _finish_change(plan_id: UUID) -> int:
    plan = StandbyPlan.objects.select_for_update(of=("self",)).get(pk=plan_id)
    lock_versions(plan)
    return end_earlier(plan)


def end_earlier(plan: StandbyPlan) -> int:
    """End the unneeded parts of replaced versions."""
    # A provider that does not hold the new version yet keeps the old one, as long as the plan is
    # on. A provider that filters for the old version continues until the attack is over or a person
    # stops it.
    needed, is_kept = set(), plan.is_on and plan.removed_at is None
    if is_kept:
        new = current_mitigations(plan.request.mitigations.all())
        needed = {
            mitigation.subscription_id for mitigation in new if mitigation.status not in CONFIRMED
        }
    ended = 0
    for earlier in plan.earlier.exclude(status__in=REQUEST_TERMINAL).order_by("created_at", "pk"):
        for mitigation in earlier.mitigations.filter(wanted=Wanted.ACTIVE).order_by("position"):
            is_needed = mitigation.status in CONFIRMED and mitigation.subscription_id in needed
            if is_needed or (is_kept and mitigation.status in ACTIVE):
                continue
            mitigations.withdraw_mitigation(mitigation_id=mitigation.pk)
            ended += 1
        for mitigation in earlier.mitigations.filter(hold_again=True):
            mitigations.give_up(mitigation_id=mitigation.pk)
    return ended

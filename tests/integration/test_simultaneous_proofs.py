"""Two tenants prove overlapping resources at the same moment, in two connections: one of them is
verified, and staff decide about the other.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from portal.accounts.models import User
from portal.core.errors import Invalid
from portal.organizations import queries
from portal.organizations.models import Organization, ProtectedResource, ResourceKind
from portal.ownership import services
from portal.ownership.evidence import Evidence
from portal.ownership.models import ResourceProof, WaitsBecause
from portal.ownership.states import ClaimState, ProofMethod, ProofResult
from tests.factories import ResourceFactory
from tests.integration.test_simultaneous import together

pytestmark = pytest.mark.django_db
ROUNDS = 6


@pytest.fixture
def pairs(acme: Organization, globex: Organization) -> list[tuple[ProtectedResource, ...]]:
    """Overlapping prefixes of Acme and Globex, one pair for each round."""
    return [
        (claimed(acme, f"198.51.{number}.0/24"), claimed(globex, f"198.51.{number}.0/23"))
        for number in range(0, 2 * ROUNDS, 2)
    ]


def claimed(organization: Organization, value: str) -> ProtectedResource:
    return ResourceFactory.create(
        organization=organization,
        name=value,
        kind=ResourceKind.PREFIX,
        value=value,
        verified_at=None,
    )


def proving(resource: ProtectedResource) -> Callable[[], object]:
    """A check that found the record."""
    now = timezone.now()
    proof = ResourceProof.objects.create(resource=resource, method=ProofMethod.DNS, asked_at=now)
    return lambda: services.save_result(proof, Evidence(result=ProofResult.FOUND), now)


def verifying(resource: ProtectedResource, by: User) -> Callable[[], object]:
    return lambda: services.verify_by_staff(resource=resource, actor=by)


def states(pair: tuple[ProtectedResource, ...]) -> list[ClaimState]:
    rows = [ProtectedResource.objects.get(pk=one.pk) for one in pair]
    return sorted(services.claim_of(one).state for one in rows)


def test_the_second_of_two_proofs_at_once_waits_for_staff(
    pairs: list[tuple[ProtectedResource, ...]],
) -> None:
    for pair in pairs:
        results = together(*map(proving, pair))

        assert results == [None, None]
        assert states(pair) == sorted([ClaimState.VERIFIED, ClaimState.WAITING])
        verified, waiting = sorted(
            (ProtectedResource.objects.get(pk=one.pk) for one in pair),
            key=lambda one: one.verified_at is None,
        )
        assert waiting.verified_at is None
        assert services.claim_of(waiting).waits_because == WaitsBecause.OVERLAPS
        assert queries.overlapping(waiting) == [verified]


def test_a_proof_and_a_decision_of_staff_at_once_see_each_other(
    pairs: list[tuple[ProtectedResource, ...]], mo: User
) -> None:
    for own, other in pairs:
        proved, decided = together(proving(own), verifying(other, mo))

        assert proved is None
        own.refresh_from_db()
        if isinstance(decided, Invalid):
            assert [one.code for one in decided.errors] == ["overlaps"]
            assert services.claim_of(own).state == ClaimState.VERIFIED
        else:
            assert services.claim_of(own).state == ClaimState.WAITING
            assert own.verified_at is None


def test_the_second_of_two_decisions_of_staff_at_once_shows_the_first(
    pairs: list[tuple[ProtectedResource, ...]], mo: User
) -> None:
    for pair in pairs:
        results = together(*(verifying(one, mo) for one in pair))

        refused = [one for one in results if isinstance(one, Invalid)]
        assert len(refused) == 1, results
        assert [one.code for one in refused[0].errors] == ["overlaps"]
        rows = ProtectedResource.objects.filter(pk__in=[one.pk for one in pair])
        assert rows.filter(verified_at__isnull=False).count() == 1

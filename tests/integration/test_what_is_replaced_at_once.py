"""A submission at once replaces nothing that the rules would replace."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import queries
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    RequestKind,
    Wanted,
)
from portal.mitigations.replacement import Proposal, would_replace
from portal.mitigations.services.consent_check import CheckContext
from portal.mitigations.services.submit_at_once import submit_at_once
from portal.mitigations.states import RequestStatus, Status
from portal.mitigations.validation import Submission
from portal.organizations.idempotency import Call
from portal.organizations.models import Organization
from tests.integration.test_submit_at_once import _prepared, submit

__all__ = ["_prepared"]

pytestmark = pytest.mark.django_db

ASKED: Final = RequestStatus.REQUESTING
LIVE: Final = [
    *product(RequestKind, (ASKED,), (False, True), (Wanted.ACTIVE,), Status),
    (RequestKind.IMMEDIATE, RequestStatus.TERMINATED, False, Wanted.ACTIVE, Status.PENDING),
    (RequestKind.IMMEDIATE, ASKED, False, Wanted.WITHDRAWN, Status.MITIGATING),
]
TARGETS: Final = [
    ("203.0.113.1/32", "203.0.113.1/32"),
    ("203.0.113.0/29", "203.0.113.1/32"),
    ("203.0.113.1/32", "203.0.113.0/29"),
    ("203.0.113.1/32", "203.0.113.2/32"),
    ("shop.example", "shop.example"),
    ("shop.example", "203.0.113.1/32"),
    ("https://shop.example/pay", "https://shop.example/pay"),
    ("https://shop.example/pay", "shop.example"),
]


@pytest.mark.parametrize(
    ("held", "wanted", "states"),
    [(*TARGETS[0], LIVE), *((*targets, LIVE[:1]) for targets in TARGETS[1:])],
)
def test_nothing_that_would_be_replaced_is_overlooked(
    acme: Organization, alice: User, held: str, wanted: str, states: Sequence[tuple[Any, ...]]
) -> None:
    """The statement writes only if the rules replace nothing: for one mitigation in every state,
    and for targets of every kind.
    """
    Mitigation.objects.all().delete()
    MitigationRequest.objects.all().delete()
    older = submit(acme, alice, _submission_for(held))
    mitigation = older.mitigations.get()
    submission = _submission_for(wanted)
    checked = CheckContext.of(acme).check(submission)
    call = Call({}, "", None)
    free = 0
    for kind, status, has_gap, is_wanted, own_status in states:
        MitigationRequest.objects.filter(pk=older.pk).update(
            kind=kind, status=status, has_uncovered_targets=has_gap
        )
        Mitigation.objects.filter(pk=mitigation.pk).update(wanted=is_wanted, status=own_status)
        found = would_replace(Proposal.of(checked), queries.replaceable(acme.pk))

        newer = submit_at_once(acme, Actor.person(alice), submission, call)

        if newer is not None:
            assert not found, (kind, status, has_gap, is_wanted, own_status)
            free += 1
            newer.mitigations.all().delete()
            newer.delete()

    assert len(states) == 1 or free > len(states) / 4


def _submission_for(target: str) -> Submission:
    if "://" in target:
        return Submission(uris=(target,))
    return Submission(fqdns=(target,)) if target[0] == "s" else Submission(prefixes=(target,))

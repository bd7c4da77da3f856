from __future__ import annotations

import pytest

from portal.ownership.states import TRANSITIONS, ClaimState, ClaimTrigger, ProofMethod, ProofResult
from portal.wording.claims import BADGES, METHODS, RESULTS, ClaimFacts, why

USABLE = {ClaimState.VERIFIED, ClaimState.PROOF_MISSING}


@pytest.mark.parametrize("state", ClaimState)
def test_every_state_is_reached_and_has_words(state: ClaimState) -> None:
    assert state == ClaimState.UNPROVED or state in TRANSITIONS.values()
    assert BADGES[state].word
    assert why(ClaimFacts(state=state, refusal_reason="Not theirs.", method=ProofMethod.DNS))


def test_only_a_proof_or_staff_make_a_resource_usable() -> None:
    makers = {trigger for (state, trigger), after in TRANSITIONS.items()
              if state not in USABLE and after in USABLE}  # fmt: skip

    assert makers == {ClaimTrigger.PROVED, ClaimTrigger.STAFF_VERIFIED}
    assert TRANSITIONS[ClaimState.REFUSED, ClaimTrigger.PROVED] == ClaimState.WAITING


def test_only_a_long_missing_proof_makes_it_unusable() -> None:
    enders = {trigger for (state, trigger), after in TRANSITIONS.items()
              if state in USABLE and after not in USABLE}  # fmt: skip

    assert enders == {ClaimTrigger.GRACE_OVER}


def test_every_method_and_result_has_words() -> None:
    assert set(METHODS) == set(ProofMethod)
    assert set(RESULTS) == set(ProofResult)

"""Convert claims to the facts that sentences are made from."""

from __future__ import annotations

from portal.ownership.models import ResourceClaim, ResourceProof
from portal.ownership.states import ProofResult
from portal.wording.claims import RESULTS, ClaimFacts


def claim_facts(claim: ResourceClaim, newest: ResourceProof | None = None) -> ClaimFacts:
    """`newest`: the last check, running or not."""
    is_over = newest is not None and newest.is_over
    return ClaimFacts(
        state=claim.state,
        method=claim.method,
        waits_because=claim.waits_because,
        refusal_reason=claim.refusal_reason,
        last_result=ProofResult(newest.result) if is_over and newest and newest.result else None,
        is_checking=newest is not None and not newest.is_over,
    )


def shown_result(proof: ResourceProof) -> str:
    """What a check found, as a sentence."""
    if not proof.is_over:
        return "Running."
    return RESULTS[ProofResult(proof.result)] if proof.result else "Asked portal staff."

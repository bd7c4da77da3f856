"""The states of an organization's claim to a resource, and what changes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ClaimState(StrEnum):
    """Whether the organization may request protection for the resource, and what is missing."""

    UNPROVED = "unproved"
    "nothing shows yet that it belongs to the organization"
    WAITING = "waiting"
    "portal staff have to decide"
    REFUSED = "refused"
    "portal staff decided against it, with a reason"
    VERIFIED = "verified"
    "it may be used"
    PROOF_MISSING = "proof_missing"
    "it may be used, but a later check did not find the proof"


class ClaimTrigger(StrEnum):
    """What happened to a claim. The values explain the diagram in docs/state-machines.md."""

    PROVED = "The portal found the proof, and nothing speaks against the claim."
    PROVED_UNCLEAR = "The portal found the proof, but a person has to decide."
    STAFF_ASKED = "A member asked portal staff to verify it."
    STAFF_VERIFIED = "Portal staff verified it."
    STAFF_REFUSED = "Portal staff refused it."
    PROOF_MISSED = "A check did not find the proof any more."
    GRACE_OVER = "The proof was missing for weeks, and no live request needs the resource."


_UNVERIFIED: Final = (ClaimState.UNPROVED, ClaimState.WAITING, ClaimState.REFUSED)
TRANSITIONS: Final[Mapping[tuple[ClaimState, ClaimTrigger], ClaimState]] = {
    (ClaimState.UNPROVED, ClaimTrigger.PROVED): ClaimState.VERIFIED,
    (ClaimState.WAITING, ClaimTrigger.PROVED): ClaimState.VERIFIED,
    # What a person decided, a person decides again.
    (ClaimState.REFUSED, ClaimTrigger.PROVED): ClaimState.WAITING,
    **{(state, ClaimTrigger.PROVED_UNCLEAR): ClaimState.WAITING for state in _UNVERIFIED},
    **{(state, ClaimTrigger.STAFF_ASKED): ClaimState.WAITING for state in _UNVERIFIED},
    **{(state, ClaimTrigger.STAFF_VERIFIED): ClaimState.VERIFIED for state in _UNVERIFIED},
    **{(state, ClaimTrigger.STAFF_REFUSED): ClaimState.REFUSED for state in _UNVERIFIED},
    (ClaimState.VERIFIED, ClaimTrigger.PROVED): ClaimState.VERIFIED,
    (ClaimState.PROOF_MISSING, ClaimTrigger.PROVED): ClaimState.VERIFIED,
    (ClaimState.VERIFIED, ClaimTrigger.PROOF_MISSED): ClaimState.PROOF_MISSING,
    (ClaimState.PROOF_MISSING, ClaimTrigger.PROOF_MISSED): ClaimState.PROOF_MISSING,
    (ClaimState.PROOF_MISSING, ClaimTrigger.GRACE_OVER): ClaimState.UNPROVED,
}
"""Everything else cannot happen: a claim that is verified is neither verified again nor refused."""


class ProofMethod(StrEnum):
    """How a claim is shown to be right."""

    DNS = "dns"
    "a TXT record at the name, or in the reverse zone of the prefix"
    HTTP = "http"
    "a file on the web server of the name"
    STAFF = "staff"
    "portal staff check a registry or a contract"


class ProofResult(StrEnum):
    """What one check found, by all servers together and by each."""

    FOUND = "found"
    MISSING = "missing"
    "the server answered that there is nothing at this place"
    WRONG = "wrong"
    "there is something else"
    ALIAS = "alias"
    "the name is an alias (CNAME, DNAME): who controls its target controls the answer"
    DIFFERS = "differs"
    "some servers have it and others do not"
    NO_ZONE = "no_zone"
    "no server has a zone for the name"
    REDIRECTED = "redirected"
    "the web server sent the portal elsewhere, where it does not go"
    BAD_STATUS = "bad_status"
    "the web server answered with another status than 200"
    TOO_LONG = "too_long"
    NOT_PUBLIC = "not_public"
    "the server has a private or special address, which the portal does not ask"
    BAD_CERTIFICATE = "bad_certificate"
    NO_ANSWER = "no_answer"
    "nothing is known: no server answered"


NEGATIVE: Final = frozenset(
    {
        ProofResult.MISSING,
        ProofResult.WRONG,
        ProofResult.ALIAS,
        ProofResult.NO_ZONE,
        ProofResult.REDIRECTED,
        ProofResult.BAD_STATUS,
        ProofResult.TOO_LONG,
    }
)
"""A server said that the proof is not there. After the others, the portal does not know."""

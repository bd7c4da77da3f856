"""Sentences about an organization's claim to a resource, and about what checks of it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from portal.core.targets import shown
from portal.organizations.models import ResourceKind
from portal.ownership.models import WaitsBecause
from portal.ownership.states import ClaimState, ProofMethod, ProofResult
from portal.wording.facts import Badge

BADGES: Final[Mapping[ClaimState, Badge]] = {
    ClaimState.UNPROVED: Badge("Not verified", "triangle", "warn"),
    ClaimState.WAITING: Badge("Waits for staff", "hourglass", "warn"),
    ClaimState.REFUSED: Badge("Refused", "octagon", "bad"),
    ClaimState.VERIFIED: Badge("Verified", "disc-tick", "good"),
    ClaimState.PROOF_MISSING: Badge("Proof missing", "triangle", "warn"),
}
METHODS: Final[Mapping[str, str]] = {
    ProofMethod.DNS: "DNS record",
    ProofMethod.HTTP: "File on the web server",
    ProofMethod.STAFF: "Portal staff",
}
KINDS: Final = {ResourceKind.PREFIX: "Prefix", ResourceKind.FQDN: "Name", ResourceKind.URI: "URI"}
WAITS: Final[Mapping[str, str]] = {
    WaitsBecause.ASKED: "A member asked portal staff.",
    WaitsBecause.OVERLAPS: (
        "The proof was found, but a verified resource of another organization overlaps."
    ),
    WaitsBecause.SIZE: "The proof was found, but only staff verify prefixes of this length.",
    WaitsBecause.RULES: "The proof was found, but today’s rules forbid this resource.",
    WaitsBecause.REFUSED_BEFORE: "The proof was found, but staff refused it earlier.",
}
"""For portal staff: why they decide and not the portal itself."""
RESULTS: Final[Mapping[ProofResult, str]] = {
    ProofResult.FOUND: "Found.",
    ProofResult.MISSING: "Not there. Publish it as shown, then check again.",
    ProofResult.WRONG: "There is something else in this place. Compare it with what is shown.",
    ProofResult.ALIAS: (
        "This name is an alias (CNAME). Publish the record at the name itself: the portal does not "
        "follow aliases."
    ),
    ProofResult.DIFFERS: (
        "Some name servers have it and others do not. Wait until all have the new zone, then check "
        "again."
    ),
    ProofResult.NO_ZONE: "No name server serves a zone of yours for this name.",
    ProofResult.REDIRECTED: (
        "The web server redirects. Serve the file itself: the portal does not follow redirections."
    ),
    ProofResult.BAD_STATUS: "The web server did not return the file.",
    ProofResult.TOO_LONG: "The answer is too long to be the file.",
    ProofResult.NOT_PUBLIC: (
        "The server has a private or special address, which the portal does not contact."
    ),
    ProofResult.BAD_CERTIFICATE: "The web server’s certificate is not valid for this name.",
    ProofResult.NO_ANSWER: (
        "No answer came. That says nothing about your record: check that the servers can be "
        "reached from the Internet, or try again later."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """What the sentence of a claim needs."""

    state: ClaimState
    method: str = ""
    waits_because: str = ""
    refusal_reason: str = ""
    last_result: ProofResult | None = None
    "of the newest check that is over"
    is_checking: bool = False


def waiting_sentence(total: int) -> str:
    """How many resources wait for a decision."""
    if not total:
        return "No resource waits for a decision"
    words = "resource waits" if total == 1 else "resources wait"
    return f"{total:,}\u00a0{words} for a decision"


def why(facts: ClaimFacts) -> str:
    """Why it is or is not verified, and what to do."""
    match facts.state:
        case ClaimState.VERIFIED:
            return f"Verified by {_by(facts.method)}. It can be used in requests."
        case ClaimState.PROOF_MISSING:
            return (
                "It can be used, but the last check did not find the proof. Publish it again: "
                "without it, the resource stops being verified after three weeks."
            )
        case ClaimState.WAITING:
            first = (
                "You asked portal staff to verify it."
                if facts.waits_because == WaitsBecause.ASKED
                else "The proof was found. Portal staff check it once more before it can be used."
            )
            return f"{first} You need not do anything."
        case ClaimState.REFUSED:
            return (
                f"Portal staff refused it: {shown(facts.refusal_reason)} "
                "Publish a proof, or ask them again."
            )
        case ClaimState.UNPROVED:
            return _unproved(facts)


def _unproved(facts: ClaimFacts) -> str:
    if facts.is_checking:
        return "The portal is looking for the proof."
    if facts.last_result is not None and facts.last_result != ProofResult.FOUND:
        return f"The last check: {RESULTS[facts.last_result]}"
    return "Show that it is yours: publish a proof, or ask portal staff."


def _by(method: str) -> str:
    return {
        ProofMethod.DNS: "its DNS record",
        ProofMethod.HTTP: "the file on its web server",
    }.get(ProofMethod(method) if method else ProofMethod.STAFF, "portal staff")

"""Why a provider refused, as sentences. A code never appears without its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portal.core.formatting import listed
from portal.mitigations.models import ProviderConflict
from portal.mitigations.states import LOOP, NOT_SENDABLE
from portal.wording.facts import MitigationFacts

_CODES: Final = {
    "4.00": "It could not read the request",
    "4.01": "It does not know this organization’s certificate",
    "4.03": "It does not allow this organization to ask for these addresses",
    "4.04": "It does not know this request",
    "4.09": "It conflicts with another request",
    "4.13": "The request is too large for it",
    "4.22": "It cannot act on these targets",
    "4.29": "Too many requests",
    "5.03": "It is too busy",
}


OVERLAPPING_TARGETS: Final = 1
_CONFLICTS: Final[Mapping[int, str]] = {
    # by conflict-cause: RFC 9132 section 4.4.1.3; 4 is from RFC 9066 section 7.2, 5 from RFC 9244
    # section 13.2
    OVERLAPPING_TARGETS: (
        "Another of your organization’s clients asked for the same addresses; theirs is active."
    ),
    2: "It would block addresses on your accept list.",
    3: "Another client uses the same identity.",
    4: "It classified the traffic to these addresses as legitimate.",
    5: "The link capacity it was told overlaps that of another of your organization’s clients.",
}
DEFECT: Final = "A defect in the portal prevents sending; the portal’s log says why."


def gateways(reason: str) -> str:
    """The gateways of a loop, as its reason names them."""
    return listed(reason.split(", ")) if reason else "gateways that do not give their names"


def unknown_report(mitigation: MitigationFacts) -> str:
    """A complete clause."""
    return (
        f"{mitigation.short} reports status {mitigation.unknown_report}, which the portal does "
        f"not know"
    )


def conflict_sentence(conflict: ProviderConflict) -> str:
    """What a request conflicts with.

    An earlier release saved the sentence, which is used if there is no cause.
    """
    cause = conflict.cause
    if cause == OVERLAPPING_TARGETS and conflict.mid is not None:
        return "You already have a newer request for these addresses."
    if cause is None:
        return conflict.reason or "It conflicts with another request."
    return _CONFLICTS.get(cause, f"It gave conflict cause {cause}, which the portal does not know.")


def refusal_sentence(
    provider: str, *, code: str, reason: str = "", conflict: ProviderConflict | None = None
) -> str:
    """The reason as a whole sentence; the provider's own text is quoted."""
    if code == NOT_SENDABLE:
        return f"It cannot be put into a message: {reason.rstrip('.')}." if reason else DEFECT
    if code == LOOP:
        return f"It looped through {gateways(reason)}. Their operators must fix this."
    if conflict is not None:
        return conflict_sentence(conflict)
    if reason:
        return f"{provider} says: {reason.rstrip('.')}."
    if code in _CODES:
        return f"{_CODES[code]} (code {code})."
    if code.startswith(("2.", "3.")):
        return f"It answered with code {code}, which neither accepts nor refuses."
    return f"{provider} gave no reason (code {code})." if code else f"{provider} gave no reason."

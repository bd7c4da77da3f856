"""Why a provider failed a drill, from its row."""

from __future__ import annotations

from portal.standby.models import DrillCheck
from portal.wording.refusals import refusal_sentence


def refused_because(check: DrillCheck) -> str:
    """A whole sentence; empty if the provider did not refuse."""
    if not check.refusal_code:
        return check.reason_text
    return refusal_sentence(
        check.subscription.provider.short_name,
        code=check.refusal_code,
        reason=check.refusal_reason,
        conflict=check.conflict,
    )

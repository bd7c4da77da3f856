"""The preview of an extension: when each provider gets which lifetime, and which ones get
nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.core.formatting import ahead, lifetime, when
from portal.wording.badges import DisplayStatus, display_status
from portal.wording.facts import MitigationFacts

_MAY_BE_ASKED: Final = (
    DisplayStatus.NOT_ASKED,
    DisplayStatus.REFUSED,
    DisplayStatus.LOOPED,
    DisplayStatus.NOT_SENDABLE,
    DisplayStatus.WITHDRAWN,
)


def gets_extension(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    """The headline of one provider's message, and the facts about its path."""
    match display_status(mitigation, now):
        case DisplayStatus.NOT_SENT:
            return f"{mitigation.short} gets this as its first message", ""
        case DisplayStatus.PUT_OFF:
            return (
                f"{mitigation.short} gets this {when(mitigation.retry_at, now)}",
                "It asked the portal to retry later.",
            )
        case DisplayStatus.REQUESTED | DisplayStatus.NO_ANSWER | DisplayStatus.NOT_SAVED:
            return (
                f"{mitigation.short} gets this as soon as it answers",
                (
                    "It has not confirmed the request yet. Until it does, the portal "
                    "repeats the earlier message."
                ),
            )
        case _:
            return f"{mitigation.short} gets this now", ""


def current_lifetime(
    lifetime_s: int, ends_at: datetime | None, *, is_confirmed: bool, now: datetime
) -> str:
    """The lifetime a provider was asked for before, and its end."""
    request = _capital(lifetime(lifetime_s))
    if not is_confirmed:
        return f"{request}, not confirmed yet"
    if ends_at is None or lifetime_s < 0:
        return request
    return f"{request}, ends {when(ends_at, now, seconds=False, zone=True)}, {ahead(ends_at, now)}"


def extended_lifetime(
    provider: str, *, wished_s: int, asked_s: int, renews: bool
) -> tuple[str, str]:
    """The lifetime it would be asked for, and why it is shorter than the requested one."""
    if asked_s < 0:
        return _capital(lifetime(asked_s)), ""
    words = f"{_capital(lifetime(asked_s))} from when you extend"
    if asked_s == wished_s:
        why = ""
    elif wished_s < 0:
        why = f"{provider} does not allow requests without an end."
    else:
        why = f"{provider} allows at most {lifetime(asked_s)}."
    return f"{words}, renews automatically" if renews else words, why


def if_requested_later(mitigation: MitigationFacts, lifetime_s: int, now: datetime) -> str:
    """What happens at a provider that gets no message now; empty if its mitigation has ended."""
    if (
        mitigation.why_not
        or mitigation.is_replaced
        or display_status(mitigation, now) not in _MAY_BE_ASKED
    ):
        return ""
    how_long = lifetime(lifetime_s) if lifetime_s < 0 else f"for {lifetime(lifetime_s)}"
    return f"If {mitigation.short} is asked later, it will be asked to filter {how_long}."


def extension_points(lifetime_s: int, *, renews: bool) -> tuple[str, ...]:
    """What extending does, and what it does not change."""
    stays = "Targets, ports, protocols and current filtering stay as they are."
    if lifetime_s < 0:
        return ("Filtering continues until you terminate, if the provider grants that.", stays)
    return (
        "The lifetime restarts when you extend. The remaining time is not added.",
        "The request renews automatically before that time is over, and continues until you "
        "terminate it."
        if renews
        else "The request ends when that time is over, unless you extend it again.",
        stays,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""What extending says to each provider, before it is said: when, for how long, and to whom not."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.core.formatting import ahead, lifetime, when
from portal.wording.facts import MitigationFacts
from portal.wording.table import Face, face

_MAY_BE_ASKED: Final = (
    Face.NOT_ASKED,
    Face.REFUSED,
    Face.NOT_REACHED,
    Face.NOT_SENDABLE,
    Face.WITHDRAWN,
)


def gets_extension(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    """The headline of one provider's message, and what there is to know of its way."""
    match face(mitigation, now):
        case Face.NOT_SENT:
            return f"{mitigation.short} gets this as its first message", ""
        case Face.PUT_OFF:
            return (
                f"{mitigation.short} gets this {when(mitigation.retry_at, now)}",
                "It asked the portal to wait.",
            )
        case Face.REQUESTED | Face.NO_ANSWER | Face.NOT_SAVED:
            return (
                f"{mitigation.short} gets this as soon as it answers",
                "It has not confirmed the request yet. Until it does, the portal repeats what it was sent.",
            )
        case _:
            return f"{mitigation.short} gets this now", ""


def asked_so_far(
    lifetime_s: int, ends_at: datetime | None, *, is_confirmed: bool, now: datetime
) -> str:
    """What a provider was asked for before, and until when that is."""
    asked = _capital(lifetime(lifetime_s))
    if not is_confirmed:
        return f"{asked}, not confirmed yet"
    if ends_at is None or lifetime_s < 0:
        return asked
    return f"{asked}, ends {when(ends_at, now, seconds=False, zone=True)}, {ahead(ends_at, now)}"


def asked_then(provider: str, *, wished_s: int, asked_s: int, renews: bool) -> tuple[str, str]:
    """What it would be asked for; and why that is less than was wished."""
    if asked_s < 0:
        return _capital(lifetime(asked_s)), ""
    words = f"{_capital(lifetime(asked_s))} from when you extend"
    if asked_s == wished_s:
        why = ""
    elif wished_s < 0:
        why = f"{provider} allows no request without an end."
    else:
        why = f"{provider} allows at most {lifetime(asked_s)}."
    return f"{words}, renews itself" if renews else words, why


def if_asked_later(mitigation: MitigationFacts, lifetime_s: int, now: datetime) -> str:
    """What becomes of it with a provider that is told nothing now; empty where that is over."""
    if mitigation.why_not or mitigation.is_replaced or face(mitigation, now) not in _MAY_BE_ASKED:
        return ""
    how_long = lifetime(lifetime_s) if lifetime_s < 0 else f"for {lifetime(lifetime_s)}"
    return f"If {mitigation.short} is asked later, it is asked to filter {how_long}."


def extension_points(lifetime_s: int, *, renews: bool) -> tuple[str, ...]:
    """What extending does, and what it leaves alone."""
    stays = "Targets, ports and protocols stay as they are, and so does what filters now."
    if lifetime_s < 0:
        return ("Filtering goes on until you terminate, where a provider grants that.", stays)
    return (
        "The time starts again when you extend. What is left of it now is not added.",
        "The request renews itself before that time is over, and goes on until you terminate it."
        if renews
        else "The request ends when that time is over, unless you extend it again.",
        stays,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""How long the portal waits when a provider asks it to retry later (Retry-After, Max-Age,
retry-timer).
"""

from __future__ import annotations

from typing import Final, overload

from dots_client import Redirected, Refused, ServerUnavailable

MIN_RETRY_S: Final = 1
MAX_RETRY_S: Final = 300
"""The limit, because a provider may ask for a longer wait than a person under attack can afford."""
UNEXPECTED_RETRY_S: Final = 30
"""The wait after an answer whose code is neither a success nor a refusal."""
NOT_FOLLOWED_RETRY_S: Final = 5
"""The wait after a redirection to a dead server or in a loop: a retry costs one datagram, and a
fix may come soon.
"""


@overload
def bounded_wait_s(asked_s: int) -> int: ...


@overload
def bounded_wait_s(asked_s: int | None) -> int | None: ...


def bounded_wait_s(asked_s: int | None) -> int | None:
    """Seconds to wait; None when the provider did not ask for a wait."""
    return None if asked_s is None else min(max(asked_s, MIN_RETRY_S), MAX_RETRY_S)


def asked_wait_s(error: Exception) -> float:
    """The pause that a 4.29 asks for (RFC 8516), within the portal's limits; 0 for any
    other error.
    """
    return bounded_wait_s(error.retry_after_s) or 0 if isinstance(error, Refused) else 0


def retry_wait_s(error: Exception) -> float:
    """The pause that a 4.29 or 5.03 asks for before the same request, within the portal's limits; 0
    for any other error.

    The lifetime of a redirection is not such a pause.
    """
    if isinstance(error, ServerUnavailable) and error.code == "5.03":
        return 0 if isinstance(error, Redirected) else bounded_wait_s(error.retry_after_s)
    return asked_wait_s(error)

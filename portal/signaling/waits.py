"""How long a provider is obeyed that asks to wait."""

from __future__ import annotations

from typing import Final, overload

MIN_RETRY_S: Final = 1
MAX_RETRY_S: Final = 300
"""A provider may ask for more patience than a person under attack has."""
UNEXPECTED_RETRY_S: Final = 30
"""When a provider is asked again whose answer had a code that says neither yes nor no."""
NOT_FOLLOWED_RETRY_S: Final = 5
"""When a server is asked again that sends us where nobody answers, or in a circle: one datagram, and it may mend that."""


@overload
def bounded_wait_s(asked_s: int) -> int: ...


@overload
def bounded_wait_s(asked_s: int | None) -> int | None: ...


def bounded_wait_s(asked_s: int | None) -> int | None:
    """The seconds that are waited; None where nothing was asked."""
    return None if asked_s is None else min(max(asked_s, MIN_RETRY_S), MAX_RETRY_S)

"""Compare two answers of the API."""

from __future__ import annotations

from typing import Any

PASSING: frozenset[str] = frozenset({"lifetime_remaining"})
"""Values that change from one second to the next."""


def lasting(answer: Any) -> Any:
    """A body without the values that change while time passes."""
    if isinstance(answer, dict):
        return {name: lasting(value) for name, value in answer.items() if name not in PASSING}
    return [lasting(value) for value in answer] if isinstance(answer, list) else answer

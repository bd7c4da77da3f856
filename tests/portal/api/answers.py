"""What two answers of the API have in common."""

from __future__ import annotations

from typing import Any

PASSING: frozenset[str] = frozenset({"lifetime_remaining"})
"""What changes from one second to the next."""


def lasting(answer: Any) -> Any:
    """A body without the values that change while time passes."""
    if isinstance(answer, dict):
        return {name: lasting(value) for name, value in answer.items() if name not in PASSING}
    return [lasting(value) for value in answer] if isinstance(answer, list) else answer

"""The order of notifications (RFC 7641 section 3.4)."""

from __future__ import annotations

from typing import Final

SEQUENCE_WINDOW: Final = 2**23
FRESH_FOR_S: Final = 128.0


class NotificationOrder:
    """The order of the notifications of one observation over UDP.

    Over TCP they arrive in order (RFC 8323 section 7.1).
    """

    def __init__(self) -> None:
        self._latest: int | None = None
        self._arrived_at = 0.0

    def is_news(self, observe: int | None, *, now: float) -> bool:
        """Whether a notification with this Observe value is newer than all before.

        If so, it becomes the latest.

        One without the option, which some servers omit, cannot be ordered and counts as newer.
        """
        if observe is None:
            return True
        if self._latest is not None and not self._is_newer(self._latest, observe, now):
            return False
        self._latest = observe
        self._arrived_at = now
        return True

    def _is_newer(self, before: int, after: int, now: float) -> bool:
        return (
            (before < after and after - before < SEQUENCE_WINDOW)
            or (before > after and before - after > SEQUENCE_WINDOW)
            or now > self._arrived_at + FRESH_FOR_S
        )

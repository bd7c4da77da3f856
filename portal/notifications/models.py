"""The tables of notices."""

from __future__ import annotations

from portal.notifications.outbox_models import (
    UNFINISHED,
    Notice,
    NoticeChoice,
    NoticeState,
    QuietHours,
)

__all__ = ["UNFINISHED", "Notice", "NoticeChoice", "NoticeState", "QuietHours"]

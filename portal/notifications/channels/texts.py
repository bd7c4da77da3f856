"""A message as text for services that show text."""

from __future__ import annotations

from portal.notifications.message import NoticeMessage, Severity


def plain(message: NoticeMessage) -> str:
    """The title, the sentences, and the address of the page."""
    return f"{message.title}\n\n{message.text}\n\n{message.url}"


def is_over(message: NoticeMessage) -> bool:
    """Whether an alarm for its thread should end."""
    return message.closes_thread or message.severity is Severity.RESOLVED

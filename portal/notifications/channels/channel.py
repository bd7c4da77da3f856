"""What every channel is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from portal.notifications.message import NoticeMessage, ReceiverAnswer

SEND_WITHIN_S: Final = 10.0
"""A receiver that takes longer counts as down."""


@dataclass(frozen=True, slots=True)
class ChannelField:
    """One field of a channel's form."""

    name: str
    label: str
    help_text: str
    is_secret: bool = False
    """Saved encrypted, and never shown again."""
    is_required: bool = True
    max_length: int = 500


class ChannelKind(Protocol):
    """A way to deliver messages, such as e-mail or a webhook; stateless."""

    kind: str
    """In rows and addresses, such as `webhook`."""
    name: str
    """Such as "Webhook"."""
    fields: tuple[ChannelField, ...]

    def check(self, values: Mapping[str, str]) -> None:
        """Raises portal.core.errors.Invalid, which names the field, for values that cannot work."""

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        """Deliver within `SEND_WITHIN_S`. Raises nothing: an error is an answer."""

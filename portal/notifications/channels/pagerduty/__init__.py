"""A service of PagerDuty, through the Events API v2. One incident per thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json
from portal.notifications.channels.texts import is_over
from portal.notifications.channels.typed_values import REGION, check_pattern, check_region
from portal.notifications.message import NoticeMessage, ReceiverAnswer, Severity

API: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
_SEVERITIES: Final = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.RESOLVED: "info",
}


class PagerDuty:
    kind = "pagerduty"
    name = "PagerDuty"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="key",
            label="Integration key",
            help_text="The service’s integration for Events API v2 has it.",
            is_secret=True,
            max_length=32,
        ),
        REGION,
    )

    def check(self, values: Mapping[str, str]) -> None:
        check_pattern(
            values, "key", re.compile(r"[A-Za-z0-9]{32}", re.ASCII), "32 letters and digits."
        )
        check_region(values)

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        url = f"{API[check_region(values)]}/v2/enqueue"
        return post_json(url, event_of(message, values["key"]), hidden=(values["key"],)).answer


def event_of(message: NoticeMessage, key: str) -> dict[str, object]:
    """It opens or updates the incident of the thread, or resolves it."""
    event: dict[str, object] = {
        "routing_key": key,
        "event_action": "resolve" if is_over(message) else "trigger",
        "dedup_key": message.thread,
    }
    if is_over(message):
        return event
    return event | {
        "client": "Mitigation portal",
        "client_url": message.url,
        "links": [{"href": message.url, "text": "Open in the portal"}],
        "payload": {
            "summary": message.title,
            "source": "mitigation-portal",
            "severity": _SEVERITIES[message.severity],
            "timestamp": message.occurred_at.isoformat(),
            "class": message.kind,
            "custom_details": {"text": message.text},
        },
    }

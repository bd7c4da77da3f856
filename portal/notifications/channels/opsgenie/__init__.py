"""Opsgenie, through its Alert API. One alert per thread, named by its alias.

Atlassian ends the service in April 2027.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json
from portal.notifications.channels.texts import is_over
from portal.notifications.channels.typed_values import REGION, check_pattern, check_region
from portal.notifications.message import NoticeMessage, ReceiverAnswer, Severity

API: Final = {"us": "https://api.opsgenie.com", "eu": "https://api.eu.opsgenie.com"}
_PRIORITIES: Final = {
    Severity.CRITICAL: "P1",
    Severity.WARNING: "P2",
    Severity.INFO: "P4",
    Severity.RESOLVED: "P5",
}


class Opsgenie:
    kind = "opsgenie"
    name = "Opsgenie"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="key",
            label="API key",
            help_text="The team’s API integration has it.",
            is_secret=True,
            max_length=36,
        ),
        REGION,
    )

    def check(self, values: Mapping[str, str]) -> None:
        check_pattern(
            values,
            "key",
            re.compile(r"[0-9A-Fa-f-]{36}", re.ASCII),
            "36 characters, as Opsgenie shows it.",
        )
        check_region(values)

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        path, body = call_of(message)
        return post_json(
            f"{API[check_region(values)]}/v2/alerts{path}",
            body,
            headers=[("Authorization", f"GenieKey {values['key']}")],
            hidden=(values["key"],),
        ).answer


def call_of(message: NoticeMessage) -> tuple[str, dict[str, object]]:
    """The end of the path, and the body: create the thread's alert, or close it."""
    if is_over(message):
        alias = quote(message.thread, safe="")
        return f"/{alias}/close?identifierType=alias", {"note": message.text}
    return "", {
        "message": message.title,
        "alias": message.thread,
        "description": f"{message.text}\n\n{message.url}",
        "priority": _PRIORITIES[message.severity],
        "source": "Mitigation portal",
        "details": {"url": message.url, "kind": message.kind},
    }

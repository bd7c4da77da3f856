"""A topic of ntfy, at ntfy.sh or a person's own server (docs.ntfy.sh/publish/#publish-as-json)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json
from portal.notifications.channels.typed_values import MAX_URL_LENGTH, check_pattern, check_server
from portal.notifications.message import NoticeMessage, ReceiverAnswer, Severity

_PRIORITIES: Final = {
    Severity.CRITICAL: 5,
    Severity.WARNING: 4,
    Severity.INFO: 3,
    Severity.RESOLVED: 3,
}


class Ntfy:
    kind = "ntfy"
    name = "ntfy"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="server",
            label="Server",
            help_text="Such as https://ntfy.sh.",
            max_length=MAX_URL_LENGTH,
        ),
        ChannelField(
            name="topic",
            label="Topic",
            help_text="Without a token, everyone who knows it can read the notices.",
            max_length=64,
        ),
        ChannelField(
            name="token",
            label="Access token",
            help_text="If the topic is protected.",
            is_secret=True,
            is_required=False,
            max_length=100,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        check_server(values, "server")
        check_pattern(
            values, "topic", re.compile(r"[\w-]{1,64}", re.ASCII), "Letters, digits, _ and - only."
        )
        check_pattern(
            values, "token", re.compile(r"[!-~]{0,100}", re.ASCII), "Copy the whole token."
        )

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        token = values.get("token", "")
        return post_json(
            values["server"].rstrip("/"),
            {
                "topic": values["topic"],
                "title": message.title,
                "message": message.text,
                "priority": _PRIORITIES[message.severity],
                "click": message.url,
            },
            headers=[("Authorization", f"Bearer {token}")] if token else [],
            hidden=(token,),
        ).answer

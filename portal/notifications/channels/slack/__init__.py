"""Slack, through an incoming webhook (docs.slack.dev, "Sending messages using incoming webhooks").

An incoming webhook cannot answer in a thread: Slack does not return the message's time stamp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json
from portal.notifications.channels.typed_values import check_pattern
from portal.notifications.message import NoticeMessage, ReceiverAnswer

API: Final = "https://hooks.slack.com/services"
_PARTS: Final = r"T[A-Z0-9]{2,20}/B[A-Z0-9]{2,20}/[A-Za-z0-9]{8,64}"
_ADDRESS: Final = re.compile(f"https://hooks\\.slack\\.com/services/{_PARTS}", re.ASCII)


class Slack:
    kind = "slack"
    name = "Slack"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="webhook",
            label="Webhook URL",
            help_text="Slack shows it under Incoming Webhooks of your app, "
            "such as https://hooks.slack.com/services/T…/B…/….",
            is_secret=True,
            max_length=200,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        message = "Copy the whole address that Slack shows for the incoming webhook."
        check_pattern(values, "webhook", _ADDRESS, message)

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        parts = values["webhook"].partition("/services/")[2]
        body = {"text": text_of(message), "unfurl_links": False, "unfurl_media": False}
        return post_json(f"{API}/{parts}", body, hidden=(parts,)).answer


def text_of(message: NoticeMessage) -> str:
    """In Slack's mrkdwn, with its three characters escaped."""
    title, text = (_escaped(one) for one in (message.title, message.text))
    return f"*{title}*\n{text}\n<{message.url}|Open in the portal>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

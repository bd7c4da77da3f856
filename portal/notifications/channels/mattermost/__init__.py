"""Mattermost, through an incoming webhook of a person's own server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json
from portal.notifications.channels.typed_values import MAX_URL_LENGTH, check_pattern, check_server
from portal.notifications.message import NoticeMessage, ReceiverAnswer

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>@:])")


class Mattermost:
    kind = "mattermost"
    name = "Mattermost"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="server",
            label="Server",
            help_text="Such as https://chat.example.com.",
            max_length=MAX_URL_LENGTH,
        ),
        ChannelField(
            name="hook",
            label="Webhook key",
            help_text="The 26 characters at the end of the incoming webhook’s address.",
            is_secret=True,
            max_length=26,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        check_server(values, "server")
        check_pattern(
            values, "hook", re.compile(r"[a-z0-9]{26}", re.ASCII), "26 small letters and digits."
        )

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        url = f"{values['server'].rstrip('/')}/hooks/{values['hook']}"
        return post_json(url, {"text": text_of(message)}, hidden=(values["hook"],)).answer


def text_of(message: NoticeMessage) -> str:
    """In Markdown, in which a name cannot mention people."""
    title, text = (_MARKDOWN.sub(r"\\\1", one) for one in (message.title, message.text))
    return f"**{title}**\n\n{text}\n\n[Open in the portal]({message.url})"

"""A chat of a Telegram bot (core.telegram.org/bots/api#sendmessage)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json, wait_of
from portal.notifications.channels.texts import plain
from portal.notifications.channels.typed_values import check_pattern
from portal.notifications.message import NoticeMessage, ReceiverAnswer

API: Final = "https://api.telegram.org"


class Telegram:
    kind = "telegram"
    name = "Telegram"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="chat",
            label="Chat ID",
            help_text="Such as -1001234567890, or @name of a public channel.",
            max_length=64,
        ),
        ChannelField(
            name="token",
            label="Bot token",
            help_text="From @BotFather. The bot has to be in the chat.",
            is_secret=True,
            max_length=100,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        message = "A number, or @ and the name of a channel."
        check_pattern(
            values, "chat", re.compile(r"-?\d{1,20}|@[A-Za-z]\w{3,63}", re.ASCII), message
        )
        check_pattern(
            values, "token", re.compile(r"\d{5,20}:[\w-]{20,80}", re.ASCII), "Copy the whole token."
        )

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        reply = post_json(
            f"{API}/bot{values['token']}/sendMessage",
            {
                "chat_id": values["chat"],
                "text": plain(message),
                "link_preview_options": {"is_disabled": True},
            },
            hidden=(values["token"],),
        )
        return wait_of(reply, path=("parameters", "retry_after"))

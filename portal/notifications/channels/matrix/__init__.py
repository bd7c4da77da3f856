"""A room of a Matrix server (Client-Server API v1.11).

The transaction id is the message's id, so that the server drops a message that it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from urllib.parse import quote

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json, wait_of
from portal.notifications.channels.texts import plain
from portal.notifications.channels.typed_values import MAX_URL_LENGTH, check_pattern, check_server
from portal.notifications.message import NoticeMessage, ReceiverAnswer


class Matrix:
    kind = "matrix"
    name = "Matrix"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="server",
            label="Homeserver",
            help_text="Such as https://matrix.example.org.",
            max_length=MAX_URL_LENGTH,
        ),
        ChannelField(
            name="room",
            label="Room ID",
            help_text="From the advanced settings of the room, such as !abc:example.org.",
            max_length=255,
        ),
        ChannelField(
            name="token",
            label="Access token",
            help_text="It belongs to an account that is in the room.",
            is_secret=True,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        check_server(values, "server")
        check_pattern(
            values, "room", re.compile(r"![!-~]{1,254}", re.ASCII), "A room ID begins with !."
        )
        check_pattern(
            values, "token", re.compile(r"[!-~]{8,500}", re.ASCII), "Copy the whole access token."
        )

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        path = f"rooms/{quote(values['room'], safe='')}/send/m.room.message/{message.id}"
        reply = post_json(
            f"{values['server'].rstrip('/')}/_matrix/client/v3/{path}",
            {
                "msgtype": "m.text",
                "body": plain(message),
                "format": "org.matrix.custom.html",
                "formatted_body": html_of(message),
            },
            method="PUT",
            headers=[("Authorization", f"Bearer {values['token']}")],
            hidden=(values["token"],),
        )
        return wait_of(reply, path=("retry_after_ms",), unit_s=0.001)


def html_of(message: NoticeMessage) -> str:
    lines = "<br>".join(escape(line) for line in message.text.splitlines())
    link = f'<a href="{escape(message.url)}">Open in the portal</a>'
    return f"<p><strong>{escape(message.title)}</strong></p><p>{lines}</p><p>{link}</p>"

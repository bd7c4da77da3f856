"""SMS through Twilio (www.twilio.com/docs/messaging/api/message-resource). Titles only."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post
from portal.notifications.channels.typed_values import check_pattern
from portal.notifications.message import NoticeMessage, ReceiverAnswer
from portal.ownership.chosen_url import UrlCall

API: Final = "https://api.twilio.com"
_NUMBER: Final = re.compile(r"\+[1-9]\d{5,14}", re.ASCII)


class Twilio:
    kind = "twilio"
    name = "SMS through Twilio"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="to",
            label="To",
            help_text="The number that gets the SMS, such as +15550142.",
            max_length=16,
        ),
        ChannelField(
            name="sender",
            label="From",
            help_text="One of your numbers at Twilio, such as +15550100.",
            max_length=16,
        ),
        ChannelField(
            name="account",
            label="Account SID",
            help_text="AC and 32 characters.",
            max_length=34,
        ),
        ChannelField(
            name="token",
            label="Auth token",
            help_text="The account’s own, from the same page.",
            is_secret=True,
            max_length=32,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        for name in ("to", "sender"):
            check_pattern(values, name, _NUMBER, "Type + and the number with its country code.")
        check_pattern(
            values, "account", re.compile(r"AC[0-9a-f]{32}", re.ASCII), "AC and 32 characters."
        )
        check_pattern(
            values,
            "token",
            re.compile(r"[0-9a-f]{32}", re.ASCII),
            "32 characters, as Twilio shows it.",
        )

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        account, token = values["account"], values["token"]
        basic = b64encode(f"{account}:{token}".encode()).decode()
        sent = {
            "To": values["to"],
            "From": values["sender"],
            "Body": f"{message.title}\n{message.url}",
        }
        call = UrlCall(
            url=f"{API}/2010-04-01/Accounts/{account}/Messages.json",
            headers=[
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Authorization", f"Basic {basic}"),
            ],
            body=urlencode(sent).encode(),
        )
        return post(call, hidden=(token, basic)).answer

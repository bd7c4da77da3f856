"""Notices to a web server, signed as Standard Webhooks describes (standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post
from portal.notifications.channels.typed_values import MAX_URL_LENGTH, check_url
from portal.notifications.message import NoticeMessage, ReceiverAnswer
from portal.ownership.chosen_url import UrlCall

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - no password
_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """`whsec_` and 32 random bytes in Base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature_of(secret: str, *, id_text: str, seconds: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of id, time and body, in Base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{id_text}.{seconds}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"


def payload(message: NoticeMessage) -> dict[str, Any]:
    """What a receiver gets, with the event as the API sends it."""
    return {
        "type": message.kind,
        "timestamp": message.occurred_at.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": str(message.id),
            "thread": message.thread,
            "opens_thread": message.opens_thread,
            "closes_thread": message.closes_thread,
            "severity": message.severity.value,
            "title": message.title,
            "text": message.text,
            "url": message.url,
            "event": message.event,
        },
    }


def call_of(message: NoticeMessage, *, url: str, keys: Sequence[str], seconds: int) -> UrlCall:
    """Signed with each of `keys`. Pure."""
    body = json.dumps(payload(message), separators=(",", ":"), default=str).encode()
    id_text = str(message.id)
    signatures = [signature_of(one, id_text=id_text, seconds=seconds, body=body) for one in keys]
    return UrlCall(
        url=url,
        headers=[
            ("Content-Type", "application/json"),
            ("webhook-id", id_text),
            ("webhook-timestamp", str(seconds)),
            ("webhook-signature", " ".join(signatures)),
        ],
        body=body,
    )


class Webhook:
    kind = "webhook"
    name = "Webhook"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="url",
            label="Address",
            help_text="The portal sends each notice there, such as https://example.com/hook.",
            max_length=MAX_URL_LENGTH,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        check_url(values, "url")

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        """`values` also has `secret`, and `previous_secret` while both work."""
        keys = tuple(one for name in ("secret", "previous_secret") if (one := values.get(name)))
        call = call_of(message, url=values["url"], keys=keys, seconds=int(time.time()))
        return post(call, hidden=keys).answer

"""Web Push: encrypted messages to browsers and phones (RFC 8030, 8188, 8291, 8292).

The payload is that of Declarative Web Push, which a browser shows without a service worker; others
hand it to the worker's `push` handler.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from portal.core.errors import Invalid
from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post
from portal.notifications.channels.typed_values import check_url
from portal.notifications.channels.web_push.keys import (
    bytes_of,
    key_for,
    public_key_of,
    text_of,
)
from portal.notifications.message import NoticeMessage, Outcome, ReceiverAnswer, Severity
from portal.ownership.chosen_url import UrlCall, literal_address

MAX_ENDPOINT_LENGTH: Final = 500
MAX_PAYLOAD_BYTES: Final = 3_000
"""Every push service takes 4,096 bytes with the encryption around it (RFC 8030 section 7.2)."""
PUSH_HOSTS: Final = (
    "fcm.googleapis.com",
    "push.services.mozilla.com",
    "push.apple.com",
    "notify.windows.com",
)
"""The push services of browsers: these hosts, and the hosts below them."""
TOKEN_HOLDS_S: Final = 12 * 3600
"""At most 24 hours (RFC 8292 section 2)."""
TTL_S: Final = {
    Severity.CRITICAL: 3600,
    Severity.WARNING: 3600,
    Severity.INFO: 900,
    Severity.RESOLVED: 900,
}
"""How long the push service tries: later, the news is old."""


class WebPush:
    """One message to one device."""

    kind = "web_push"
    name = "Browser or phone"
    fields: tuple[ChannelField, ...] = (
        ChannelField("endpoint", "Endpoint", "Where the browser’s push service takes messages."),
        ChannelField("p256dh", "Public key", "The browser’s.", max_length=100),
        ChannelField("auth", "Secret", "Shared with the browser.", is_secret=True, max_length=40),
        ChannelField("public_key", "Public key", "The portal’s, by which it was allowed."),
    )

    def check(self, values: Mapping[str, str]) -> None:
        url = check_url(values, "endpoint")
        host = (url.hostname or "").lower()
        is_known = any(host == one or host.endswith(f".{one}") for one in PUSH_HOSTS)
        # An address is checked like that of every receiver; only the operator can allow one.
        if not (is_known or (literal_address(host) and settings.PORTAL_NOTICE_NETWORKS)):
            raise Invalid.at("endpoint", "not-a-push-service", "This is no known push service.")
        _check_key(values)
        if len(bytes_of(values.get("auth", "")) or b"") != 16:
            raise Invalid.at("auth", "bad-value", "16 bytes in Base64 for URLs.")

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        key = key_for(values["public_key"])
        if key is None:
            # The device has to be allowed again, by a key that the portal has.
            return ReceiverAnswer(Outcome.GONE, "The portal no longer has the key of this device.")
        body = encrypted(payload(message), p256dh=values["p256dh"], auth=values["auth"])
        reply = post(
            UrlCall(
                url=values["endpoint"],
                headers=headers_of(message, endpoint=values["endpoint"], key=key),
                body=body,
            ),
            hidden=(values["endpoint"], values["auth"]),
        )
        if reply.status == 404:
            # The subscription has expired (RFC 8030 section 7.3).
            return replace(reply.answer, outcome=Outcome.GONE)
        return reply.answer


def topic_of(thread: str) -> str:
    """32 characters; a newer message replaces an undelivered one of the same topic."""
    return text_of(hashlib.sha256(thread.encode()).digest())[:32]


def payload(message: NoticeMessage) -> bytes:
    """At most `MAX_PAYLOAD_BYTES`: the text is cut."""
    text = message.text
    while True:
        found = json.dumps(
            {
                "web_push": 8030,
                "notification": {
                    "title": message.title,
                    "body": text,
                    "navigate": message.url,
                    "tag": topic_of(message.thread),
                    "lang": "en",
                },
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        if len(found) <= MAX_PAYLOAD_BYTES or not text:
            return found
        text = f"{text[: len(text) * 3 // 4].rstrip('…')}…" if len(text) > 8 else ""


def encrypted(content: bytes, *, p256dh: str, auth: str) -> bytes:
    """For one device, with a key pair that is used once (RFC 8291 section 3)."""
    found: bytes = http_ece.encrypt(
        content,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=bytes_of(p256dh),
        auth_secret=bytes_of(auth),
        version="aes128gcm",
    )
    return found


def headers_of(
    message: NoticeMessage, *, endpoint: str, key: ec.EllipticCurvePrivateKey
) -> list[tuple[str, str]]:
    url = urlsplit(endpoint)
    claims = {
        "aud": f"{url.scheme}://{url.netloc}",
        "exp": int(time.time()) + TOKEN_HOLDS_S,
        "sub": settings.PORTAL_VAPID_CONTACT,
    }
    token = jwt.encode(claims, key, algorithm="ES256")
    is_urgent = message.severity in (Severity.CRITICAL, Severity.WARNING)
    return [
        ("Authorization", f"vapid t={token}, k={public_key_of(key)}"),
        ("Content-Type", "application/octet-stream"),
        ("Content-Encoding", "aes128gcm"),
        ("TTL", str(TTL_S[message.severity])),
        ("Topic", topic_of(message.thread)),
        ("Urgency", "high" if is_urgent else "normal"),
    ]


def _check_key(values: Mapping[str, str]) -> None:
    try:
        point = bytes_of(values.get("p256dh", "")) or b""
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        message = "A point of P-256 in Base64 for URLs."
        raise Invalid.at("p256dh", "bad-value", message) from None

"""The account with which the portal asks a detector: checked as typed, saved encrypted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.db.models import Q
from django.utils import timezone

from portal.alerts.mapping import AlertSource
from portal.alerts.models import (
    MAX_KEY_ID_LENGTH,
    MAX_POLL_URL_LENGTH,
    AlertEndpoint,
    AlertPoll,
)
from portal.alerts.pollers import POLLERS
from portal.alerts.polling import PollCursor
from portal.alerts.services.poll import alert_network
from portal.core import secrets
from portal.core.errors import Conflict, Invalid
from portal.ownership.chosen_url import PORTS, literal_address, may_contact

MAX_POLLED: Final = 10
"""Endpoints of one organization that the portal polls."""
MAX_POLL_SECRET_LENGTH: Final = 200
_KEY_ID: Final = re.compile(rf"[A-Za-z0-9]{{16,{MAX_KEY_ID_LENGTH}}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PollWish:
    """The account with which to ask, as typed; None: as it is."""

    url: str | None = None
    key_id: str | None = None
    secret: str | None = None
    "the token, or the secret half of the key"


def poll_of(endpoint: AlertEndpoint) -> AlertPoll | None:
    return AlertPoll.objects.filter(endpoint=endpoint.pk).first()


def set_poll(endpoint: AlertEndpoint, wish: PollWish) -> bool:
    """Save it, and poll soon. The caller has locked the endpoint. Returns whether the portal begins
    to poll a detector that called so far.

    :raises Invalid: something is wrong or missing. A new address or key needs its secret again:
        who changes the address must not get what belongs to the former one.
    """
    poller = POLLERS.get(AlertSource(endpoint.source))
    if poller is None:
        raise _wrong("", "not-polled", "The portal cannot poll detectors of this kind.")
    own = AlertPoll.objects.select_for_update(no_key=True).filter(endpoint=endpoint.pk).first()
    now = timezone.now()
    poll = own or AlertPoll(endpoint=endpoint, organization_id=endpoint.organization_id, due_at=now)
    before = (poll.url, poll.key_id)
    poll.url = _url(wish.url, poll.url) if poller.has_url else ""
    poll.key_id = _key_id(wish.key_id, poll.key_id) if poller.has_key_id else ""
    has_moved = before != (poll.url, poll.key_id)
    if wish.secret:
        poll.secret = secrets.encrypt(_secret(wish.secret).encode())
    elif has_moved or own is None:
        raise _wrong("secret", "blank", "Enter the secret of this address or key.")
    if own is None:
        _limit(endpoint)
    if has_moved:
        poll.cursor = PollCursor()
    if has_moved or wish.secret:
        poll.due_at, poll.claim, poll.claimed_until = now, None, None
        poll.failures, poll.problem, poll.detail = 0, "", ""
        poll.save(force_insert=own is None)
    return own is None


def end_secrets(endpoint: AlertEndpoint) -> None:
    """The door refuses everyone: the caller saves it."""
    endpoint.digest = endpoint.previous_digest = ""
    endpoint.secret = endpoint.previous_secret = endpoint.previous_until = None
    endpoint.signature_header = endpoint.timestamp_header = ""


def _limit(endpoint: AlertEndpoint) -> None:
    others = AlertPoll.objects.filter(~Q(endpoint=endpoint.pk))
    if others.filter(organization=endpoint.organization_id).count() >= MAX_POLLED:
        raise Conflict(
            f"The portal polls {MAX_POLLED} detectors already. Remove one first.",
            code="too-many-polled",
        )


def _url(typed: str | None, known: str) -> str:
    """`https://host` or `https://host:port`; http only on this machine (may_contact)."""
    if typed is None:
        typed = known
    text = typed.strip().rstrip("/")
    if not text:
        raise _wrong("url", "blank", "Enter the address, such as https://sightline.example.")
    wrong = _wrong("url", "not-an-address", "Enter an address such as https://sightline.example.")
    if len(text) > MAX_POLL_URL_LENGTH or not text.isascii() or not text.isprintable():
        raise wrong
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    is_plain = text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if not host or not is_plain or " " in text or parts.scheme not in PORTS:
        raise wrong
    literal, network = literal_address(host), alert_network()
    if literal is not None and not may_contact("https", literal, network):
        raise _wrong("url", "not-allowed", "The portal may not contact this address.")
    is_own_machine = literal is not None and may_contact(parts.scheme, literal, network)
    if parts.scheme != "https" and not is_own_machine:
        raise _wrong("url", "not-https", "Use https: the secret must not be read on the way.")
    return text


def _key_id(typed: str | None, known: str) -> str:
    text = known if typed is None else typed.strip()
    if not _KEY_ID.fullmatch(text):
        raise _wrong(
            "key_id", "not-a-key-id", "An access key ID has 16 or more letters and digits."
        )
    return text


def _secret(typed: str) -> str:
    text = typed.strip()
    if not text or len(text) > MAX_POLL_SECRET_LENGTH or not text.isascii():
        raise _wrong("secret", "bad-secret", "This is no token or key.")
    if not text.isprintable() or " " in text:
        raise _wrong("secret", "bad-secret", "A token or key has no spaces.")
    return text


def _wrong(name: str, code: str, message: str) -> Invalid:
    field = f"poll.{name}" if name else "poll"
    return Invalid.at(field, code, message)

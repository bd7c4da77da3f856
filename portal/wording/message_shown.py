"""A message of the journal for people and for programs."""

from __future__ import annotations

from typing import TypedDict

from portal.wire.models import Direction, WireMessage
from portal.wording.messages import Said, meaning


def message_sentence(message: WireMessage) -> str:
    return meaning(said_by(message))


def said_by(message: WireMessage) -> Said:
    mitigation = message.mitigation
    confirmed_at = mitigation.confirmed_at if mitigation else None
    return Said(
        provider=message.subscription.provider.short_name,
        direction=message.direction,
        topic=message.topic,
        code=message.code,
        method=message.method,
        names_one=mitigation is not None,
        options=message.options,
        decoded=message.decoded,
        is_repeated=confirmed_at is not None and confirmed_at < message.at,
        kind=message.kind,
        count=message.count,
    )


class MessageData(TypedDict):
    """One line of a download, one entry of the API."""

    at: str
    direction: str
    provider: str
    subscription: str
    mitigation: str | None
    mid: int | None
    topic: str
    meaning: str
    kind: str
    code: str
    method: str
    path: str
    options: str
    size: int
    body: object
    "JSON, or text that is not JSON"
    not_read: list[str]
    octets: str
    "hexadecimal"
    is_cut: bool
    copy: int
    not_kept: int


def as_data(message: WireMessage) -> MessageData:
    mitigation = message.mitigation
    return {
        "at": message.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "direction": message.direction,
        "provider": message.subscription.provider.short_name,
        "subscription": str(message.subscription_id),
        "mitigation": str(mitigation.pk) if mitigation else None,
        "mid": mitigation.mid if mitigation else None,
        "topic": message.topic,
        "meaning": message_sentence(message),
        "kind": message.kind,
        "code": message.code,
        "method": message.method,
        "path": message.path,
        "options": message.options,
        "size": message.size,
        "body": message.decoded,
        "not_read": message.not_read.splitlines(),
        "octets": bytes(message.octets).hex(),
        "is_cut": message.is_cut,
        "copy": message.copy,
        "not_kept": message.count if message.direction == Direction.NOT_KEPT else 0,
    }

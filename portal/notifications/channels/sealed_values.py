"""The values of a channel's secret fields: encrypted JSON in the row, text by name in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from portal.core import secrets
from portal.notifications.channels.models import NoticeChannel

PREVIOUS = "previous_secret"


def seal(values: Mapping[str, str]) -> bytes:
    return secrets.encrypt(json.dumps(dict(values), sort_keys=True).encode())


def unsealed(channel: NoticeChannel) -> dict[str, str]:
    """Raises SecretUnreadable."""
    return cast(dict[str, str], json.loads(secrets.decrypt(channel.secrets)))


def saved_names(channel: NoticeChannel) -> frozenset[str]:
    """The secret fields that have a value. Empty if no key fits: pages say so elsewhere."""
    plain = secrets.try_decrypt(channel.secrets)
    return frozenset(json.loads(plain)) - {PREVIOUS} if plain else frozenset()


def values_of(channel: NoticeChannel, now: datetime) -> dict[str, str]:
    """What `Channel.send` needs: typed values and secrets, with the former secret only while it
    signs. Raises SecretUnreadable.
    """
    found = {one.name: one.value for one in channel.values} | unsealed(channel)
    if not channel.has_previous(now):
        found.pop(PREVIOUS, None)
    return found

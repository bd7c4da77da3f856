"""The journal of a request as a file: one JSON object per line, oldest first, with one batch in
memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Final

from channels.db import database_sync_to_async
from django.db.models import QuerySet

from portal.wire.models import WireMessage
from portal.wording.message_shown import as_data

CONTENT_TYPE: Final = "application/x-ndjson"
MAX_LINES: Final = 50_000
PORTION: Final = 200


async def lines(found: QuerySet[WireMessage]) -> AsyncIterator[bytes]:
    """At most MAX_LINES of the newest messages; a file that ends earlier says so in its
    last line.
    """
    oldest_first = found.order_by("at", "id")
    after: WireMessage | None = None
    left = MAX_LINES
    while left:
        portion = await database_sync_to_async(_portion)(oldest_first, after, min(PORTION, left))
        if not portion:
            return
        after = portion[-1]
        left -= len(portion)
        yield await database_sync_to_async(_text)(portion)
    yield _line({"not_in_this_file": f"Only the first {MAX_LINES:,} messages are in this file."})


def _portion(
    found: QuerySet[WireMessage], after: WireMessage | None, size: int
) -> list[WireMessage]:
    if after is not None:
        found = found.filter(at__gte=after.at).exclude(at=after.at, id__lte=after.pk)
    return list(found[:size])


def _text(portion: list[WireMessage]) -> bytes:
    return b"".join(_line(as_data(message)) for message in portion)


def _line(data: Mapping[str, object]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode() + b"\n"

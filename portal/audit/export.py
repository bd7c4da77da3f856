"""Entries as a file of JSON Lines, in the order of their chain, from which anyone can compute the
hashes again (docs/audit.md).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from channels.db import database_sync_to_async

from portal.audit.chain import FIRST, canonical
from portal.audit.models import Cut, Seal
from portal.audit.queries import AuditFilter, entries

CONTENT_TYPE: Final = "application/x-ndjson"
MAX_LINES: Final = 50_000
"""Entries in one file; the last line says where the next one begins."""
PORTION: Final = 200
MAX_SEQ: Final = 2**63 - 1


def headers(slug: str) -> dict[str, str]:
    """For the response: a browser saves the file and does not show it."""
    return {
        "Content-Type": CONTENT_TYPE,
        "Content-Disposition": f'attachment; filename="audit-{slug}.jsonl"',
    }


async def lines(organization_id: UUID, wanted: AuditFilter, *, after: int) -> AsyncIterator[bytes]:
    """Sealed entries after a place, at most MAX_LINES. The first line has the hash to begin with,
    the last one says whether the file is complete.
    """
    begin = await database_sync_to_async(_begin)(organization_id, after)
    yield _line(begin)
    last, left = max(after, begin["after"]), MAX_LINES
    while left:
        portion = await database_sync_to_async(_portion)(
            organization_id, wanted, last, min(PORTION, left)
        )
        if not portion:
            break
        yield b"".join(_entry(seal) for seal in portion)
        last = portion[-1].seq
        left -= len(portion)
    yield _line({"last": last, "is_complete": left > 0})


def _begin(organization_id: UUID, after: int) -> dict[str, Any]:
    """The hash of the place before the first entry of the file."""
    cut = Cut.objects.filter(organization_id=organization_id).order_by("-through_seq").first()
    if cut is not None and cut.through_seq >= after:
        return {"chain": str(organization_id), "after": cut.through_seq, "hash": cut.hash}
    seal = Seal.objects.filter(organization_id=organization_id, seq=after).first()
    return {"chain": str(organization_id), "after": after, "hash": seal.hash if seal else FIRST}


def _portion(organization_id: UUID, wanted: AuditFilter, after: int, size: int) -> list[Seal]:
    seals = Seal.objects.filter(organization_id=organization_id, seq__gt=after).order_by("seq")
    if wanted.is_narrow:
        seals = seals.filter(entry__in=entries(organization_id, wanted).order_by())
    return list(seals.filter(entry__id__isnull=False).select_related("entry")[:size])


def _entry(seal: Seal) -> bytes:
    content = canonical({**seal.entry.content(), "version": seal.version})
    place = f',"seq":{seal.seq},"digest":"{seal.digest}","hash":"{seal.hash}"}}\n'
    return b'{"entry":' + content + place.encode()


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"

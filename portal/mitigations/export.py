"""Requests as a file, for a spreadsheet (CSV) or a program (JSON Lines): one request per line, with
codes and times, and with everything that its providers did.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from channels.db import database_sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from portal.accounts.wording import who
from portal.core.csv_text import csv_text
from portal.core.errors import Conflict
from portal.core.targets import PortRange, Targets
from portal.events.queries import notes_of
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.notes import Note
from portal.mitigations.responsible import responsible_for

MAX_REQUESTS: Final = 10_000
"""In one file, which is never cut."""
PORTION: Final = 200
COLUMNS: Final = (
    "number", "id", "name", "kind", "status", "requested_at", "requested_by", "origin", "targets",
    "ports", "protocols", "lifetime", "auto_renew", "strategy", "reason", "responsible",
    "confirmed_at", "mitigating_at", "ended_at", "ended_by", "bytes_dropped", "pkts_dropped",
    "providers", "notes",
)  # fmt: skip
"""The columns of the CSV file. A line of JSON has the same names, but `mitigations` instead of
`providers`, and the notes instead of their number.
"""
Notes = Mapping[UUID, Sequence[Note]]
"""The notes of each request, oldest first; those without one are missing."""
Write = Callable[[Iterable[MitigationRequest], Notes], bytes]


def csv_file(found: QuerySet[MitigationRequest], slug: str) -> StreamingHttpResponse:
    """A CSV file of the requests (RFC 4180, UTF-8), in their order. Conflict if there are more than
    MAX_REQUESTS.
    """
    header = csv_text([COLUMNS])
    return _file(found, _csv_lines, header, f"requests-{slug}.csv", "text/csv; charset=utf-8")


def json_file(found: QuerySet[MitigationRequest], slug: str) -> StreamingHttpResponse:
    """The same as JSON Lines."""
    return _file(found, _json_lines, b"", f"requests-{slug}.jsonl", "application/x-ndjson")


def _file(
    found: QuerySet[MitigationRequest], write: Write, header: bytes, name: str, content_type: str
) -> StreamingHttpResponse:
    ids = list(found.values_list("pk", flat=True)[: MAX_REQUESTS + 1])
    if len(ids) > MAX_REQUESTS:
        raise Conflict(
            f"More than {MAX_REQUESTS:,} requests match. Choose a shorter time.",
            code="too-many-requests-to-export",
        )
    headers = {
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return StreamingHttpResponse(_portions(found, ids, write, header), headers=headers)


async def _portions(
    found: QuerySet[MitigationRequest], ids: Sequence[UUID], write: Write, header: bytes
) -> AsyncIterator[bytes]:
    """One portion in memory at a time. A request that is removed meanwhile is left out."""
    if header:
        yield header
    for first in range(0, len(ids), PORTION):
        portion = ids[first : first + PORTION]
        yield await database_sync_to_async(_portion)(found, portion, write)


def _portion(found: QuerySet[MitigationRequest], ids: Sequence[UUID], write: Write) -> bytes:
    requests = found.order_by().in_bulk(ids)
    return write((requests[pk] for pk in ids if pk in requests), _notes(ids))


def _notes(request_ids: Sequence[UUID]) -> Notes:
    found = defaultdict[UUID, list[Note]](list)
    for event in notes_of(request_ids):
        if event.request_id:
            found[event.request_id].append(Note.of(event))
    return found


def _csv_lines(requests: Iterable[MitigationRequest], notes: Notes) -> bytes:
    return csv_text(_row(one, notes.get(one.pk, ())) for one in requests)


def _json_lines(requests: Iterable[MitigationRequest], notes: Notes) -> bytes:
    lines = (_line(one, notes.get(one.pk, ())) for one in requests)
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _row(request: MitigationRequest, notes: Sequence[Note]) -> list[object]:
    line = _line(request, notes)
    line["notes"] = len(notes)
    line["providers"] = "; ".join(map(_provider, line["mitigations"]))
    return [line[name] for name in COLUMNS]


def _provider(mitigation: dict[str, Any]) -> str:
    """ "Northgate Scrubbing: refused 4.03"."""
    said = " ".join(filter(None, (mitigation["status"], mitigation["refusal"])))
    return f"{mitigation['provider']}: {said}"


def _line(request: MitigationRequest, notes: Sequence[Note]) -> dict[str, Any]:
    mitigations = sorted(request.mitigations.all(), key=lambda one: (one.asked_at, one.mid))
    return {
        "number": request.number,
        "id": str(request.pk),
        "name": request.name,
        "kind": request.kind,
        "status": request.status,
        "requested_at": _time(request.created_at),
        "requested_by": who(request.requester),
        "origin": request.origin,
        "targets": list(_targets(request.scope)),
        "ports": [_ports(one) for one in request.ports],
        "protocols": list(request.protocols),
        "lifetime": request.lifetime_s,
        "auto_renew": request.auto_renew,
        "strategy": request.strategy,
        "reason": request.reason,
        "responsible": responsible_for(request).now,
        "confirmed_at": _first(one.confirmed_at for one in mitigations),
        "mitigating_at": _first(one.mitigating_at for one in mitigations),
        "ended_at": _time(request.ended_at),
        "ended_by": request.ended_by,
        "bytes_dropped": _total(one.bytes_dropped for one in mitigations),
        "pkts_dropped": _total(one.pkts_dropped for one in mitigations),
        "mitigations": [_mitigation(one) for one in mitigations],
        "notes": [_note(one) for one in notes],
    }


def _note(note: Note) -> dict[str, Any]:
    return {"at": _time(note.at), "by": note.by, "text": note.text}


def _mitigation(mitigation: Mitigation) -> dict[str, Any]:
    return {
        "provider": mitigation.subscription.provider.name,
        "status": mitigation.status,
        "refusal": mitigation.refusal_code,
        "asked_at": _time(mitigation.asked_at),
        "sent_at": _time(mitigation.sent_at),
        "confirmed_at": _time(mitigation.confirmed_at),
        "mitigating_at": _time(mitigation.mitigating_at),
        "ended_at": _time(mitigation.ended_at),
        "bytes_dropped": mitigation.bytes_dropped,
        "pkts_dropped": mitigation.pkts_dropped,
    }


def _targets(scope: Targets) -> Iterator[str]:
    yield from map(str, scope.prefixes)
    yield from map(str, scope.fqdns)
    yield from map(str, scope.uris)


def _ports(one: PortRange) -> str:
    return str(one.lower) if one.lower == one.upper else f"{one.lower}-{one.upper}"


def _first(times: Iterable[datetime | None]) -> str | None:
    return _time(min((at for at in times if at is not None), default=None))


def _time(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _total(amounts: Iterable[int | None]) -> int | None:
    """None: no provider reported any."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None

"""What must hold, as in docs/faults.md and docs/architecture.md: rows compared with providers.

Each function returns sentences about what does not hold.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from dots_client import MitigationStatus
from dots_client.server import decode_request
from dots_server.mitigation import Mitigation as Held
from portal.events.models import Event, EventCounter, EventType
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.states import CONFIRMED, Status
from tests.simulation.database import sqlite

if TYPE_CHECKING:
    from tests.simulation.life import Life

ENDING: Final = (MitigationStatus.TERMINATING, MitigationStatus.TERMINATED)
FILTERING: Final = (Status.IN_PROGRESS, Status.MITIGATING, Status.ATTACK_STOPPED)


def owner_of(client: str) -> str:
    """The worker that owns the subscription whose certificate names `client`."""
    query = "SELECT owner FROM providers_subscription WHERE certificate_chain = ?"
    row = sqlite().execute(query, [client]).fetchone()
    return str(row[0])


def explained(
    accepted: dict[tuple[str, str, int], bytes],
    provider: str,
    client: str,
    cuid: str,
    mid: int,
    body: bytes,
) -> list[str]:
    """A provider just accepted a PUT: a row says so, and this mid never meant other targets."""
    targets = str(decode_request(body).targets).encode()
    before = accepted.setdefault((provider, cuid, mid), targets)
    found = []
    if before != targets:
        found.append(f"{provider} mid {mid} means two things: {before!r} and {targets!r}")
    query = (
        "SELECT sent_at, last_sent_at FROM mitigations_mitigation m JOIN providers_subscription s"
        " ON s.id = m.subscription_id WHERE s.certificate_chain = ? AND m.mid = ?"
    )
    if sqlite().execute(query, [client, mid]).fetchone() is None:
        found.append(f"{provider} filters for mid {mid}, which no row explains")
    return found


def settled(life: Life) -> list[str]:
    """After the faults: the rows say what the providers do, and every live request is helped."""
    rows = list(Mitigation.objects.select_related("request", "subscription__provider"))
    by_mid = {(row.subscription.provider.name, row.mid): row for row in rows}
    found = _unexplained(life, by_mid)
    of_request: defaultdict[object, list[Mitigation]] = defaultdict(list)
    for row in rows:
        of_request[row.request_id].append(row)
        if row.subscription.provider.name != life.scenario.useless:
            found += _differing(life, row)
    for request in MitigationRequest.objects.all():
        own = of_request[request.pk]
        if request.terminate_asked_at is None and not request.is_over:
            found += _unhelped(life, request, own)
    return found


def ended(life: Life) -> list[str]:
    """Everything was terminated: no provider filters, and every row says that it has ended."""
    found = [
        f"{name} still holds mid {held.mid} ({held.status.name})"
        for name, provider in life.providers.items()
        for held in provider.held
        if held.status not in ENDING
    ]
    found += [
        f"request {request.name} is {request.status}, not over"
        for request in MitigationRequest.objects.all()
        if not request.is_over
    ]
    return found


def numbered() -> list[str]:
    """The events of an organization are numbered without gaps."""
    numbers = list(Event.objects.order_by("seq").values_list("seq", flat=True))
    counter = EventCounter.objects.first()
    last = 0 if counter is None else counter.last_seq
    if numbers != list(range(1, last + 1)):
        return [f"the events are numbered {numbers}, the counter is at {last}"]
    return []


def pauses() -> list[str]:
    """4.29 asks for a pause and refuses nothing (RFC 8516 section 4)."""
    refused = Event.objects.filter(type=EventType.MITIGATION_REFUSED)
    codes = [data.get("code") for data in refused.values_list("data", flat=True)]
    return ["a pause (4.29) counted as a refusal"] if "4.29" in codes else []


def rows_at_the_end() -> list[str]:
    """For the trace: two runs of one seed end with the same rows and events."""
    rows = Mitigation.objects.order_by("subscription__priority", "mid").values_list(
        "mid", "status", "dots_status", "sends", "setbacks", "confirmed_at", "ended_at"
    )
    events = Event.objects.order_by("seq").values_list("seq", "type", "at")
    return [*map(str, rows), *map(str, events)]


def _unexplained(life: Life, by_mid: dict[tuple[str, int], Mitigation]) -> list[str]:
    found = []
    for name, held in _held(life):
        row = by_mid.get((name, held.mid))
        if row is None:
            found.append(f"{name} holds mid {held.mid}, which no row explains")
        elif row.is_over and held.status not in (*ENDING, MitigationStatus.WITHDRAWN):
            found.append(f"{name} holds mid {held.mid} ({held.status.name}), its row is over")
    return found


def _differing(life: Life, row: Mitigation) -> list[str]:
    name = row.subscription.provider.name
    if row.status not in CONFIRMED or row.wanted != Wanted.ACTIVE:
        if row.status == Status.TERMINATING and not life.scenario.useless:
            return [f"{name} mid {row.mid} is still terminating"]
        return []
    held = next((held for held in life.providers[name].held if held.mid == row.mid), None)
    if held is None:
        return [f"{name} does not hold mid {row.mid}, its row says {row.status}"]
    if row.dots_status != held.status:
        return [f"{name} mid {row.mid} is {held.status.name}, its row says {row.status}"]
    asked = life.asked[name, row.mid]
    if row.request.auto_renew and asked != row.lifetime_s:
        return [f"{name} was asked for mid {row.mid} for {asked} s, its row says {row.lifetime_s}"]
    return []


def _unhelped(life: Life, request: MitigationRequest, rows: list[Mitigation]) -> list[str]:
    """Some provider filters, unless a person withdrew every one that could."""
    if any(row.wanted == Wanted.ACTIVE and row.status in FILTERING for row in rows):
        return []
    withdrawn = {row.subscription_id for row in rows if row.withdrawn_by_id is not None}
    able = {
        subscription.pk
        for name, subscription in life.rows.subscriptions.items()
        if name != life.scenario.useless
    }
    if able <= withdrawn or (withdrawn and len(rows) == len(withdrawn)):
        return []
    told = ", ".join(f"{row.subscription.provider.name} {row.mid} {row.status}" for row in rows)
    return [f"no provider filters for {request.name} ({request.status}): {told}"]


def _held(life: Life) -> list[tuple[str, Held]]:
    return [(name, held) for name, provider in life.providers.items() for held in provider.held]

"""What must hold, as in docs/faults.md and docs/architecture.md: rows compared with providers.

Each function returns sentences about what does not hold.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final
from uuid import UUID

from dots_client import MitigationStatus
from dots_client.server import decode_request
from portal.events.models import Event, EventCounter, EventType
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.states import CONFIRMED, Status
from tests.simulation.database import sqlite
from tests.simulation.rows import provider_of

if TYPE_CHECKING:
    from tests.simulation.life import Life

ENDING: Final = (MitigationStatus.TERMINATING, MitigationStatus.TERMINATED)
FILTERING: Final = (Status.IN_PROGRESS, Status.MITIGATING, Status.ATTACK_STOPPED)


def owner_of(client: str) -> str:
    """The process that owns the subscription whose certificate names `client`; or empty."""
    query = (
        "SELECT worker_id FROM signaling_lease l JOIN providers_subscription s"
        " ON s.id = l.subscription_id WHERE s.certificate_chain = ?"
    )
    row = sqlite().execute(query, [client]).fetchone()
    return "" if row is None else str(row[0]).rpartition("-")[0]


def explained(
    accepted: dict[tuple[str, int], bytes], client: str, mid: int, body: bytes, *, is_success: bool
) -> list[str]:
    """A provider just answered a PUT: a row says that it was sent. If the provider accepted it, the
    row exists, and this mid never meant other targets.
    """
    found = []
    query = (
        "SELECT sent_at FROM mitigations_mitigation m JOIN providers_subscription s"
        " ON s.id = m.subscription_id WHERE s.certificate_chain = ? AND m.mid = ?"
    )
    row = sqlite().execute(query, [client, mid]).fetchone()
    if row is not None and row[0] is None:
        found.append(f"{client} mid {mid} was sent before its row said so")
    if not is_success:
        return found
    if row is None:
        found.append(f"{client} mid {mid} is accepted, and no row explains it")
    targets = str(decode_request(body).targets).encode()
    before = accepted.setdefault((client, mid), targets)
    if before != targets:
        found.append(f"{client} mid {mid} means two things: {before!r} and {targets!r}")
    return found


def settled(life: Life) -> list[str]:
    """After the faults: the rows say what the providers do, and every live request is helped."""
    rows = list(Mitigation.objects.select_related("request", "subscription"))
    by_mid = {(row.subscription.certificate_chain, row.mid): row for row in rows}
    found = _unexplained(life, by_mid)
    of_request: defaultdict[object, list[Mitigation]] = defaultdict(list)
    for row in rows:
        of_request[row.request_id].append(row)
        if provider_of(row.subscription.certificate_chain) != life.scenario.useless:
            found += _differing(life, row)
    for request in MitigationRequest.objects.all():
        own = of_request[request.pk]
        if request.terminate_asked_at is None and not request.is_over:
            found += _unhelped(life, request, own)
    return found


def ended(life: Life) -> list[str]:
    """Everything was terminated: no provider filters, and every row says that it has ended."""
    found = [
        f"{name} still holds mid {held.mid} of {held.client} ({held.status.name})"
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
    """The events of each organization are numbered without gaps."""
    found = []
    last = dict(EventCounter.objects.values_list("organization_id", "last_seq"))
    numbers: defaultdict[UUID, list[int]] = defaultdict(list)
    for organization, seq in Event.objects.order_by("seq").values_list("organization_id", "seq"):
        numbers[organization].append(seq)
    for organization in {*last, *numbers}:
        upto = last.get(organization, 0)
        if numbers[organization] != list(range(1, upto + 1)):
            found.append(
                f"the events are numbered {numbers[organization]}, the counter is at {upto}"
            )
    return found


def pauses() -> list[str]:
    """4.29 asks for a pause and refuses nothing (RFC 8516 section 4)."""
    refused = Event.objects.filter(type=EventType.MITIGATION_REFUSED)
    codes = [data.get("code") for data in refused.values_list("data", flat=True)]
    return ["a pause (4.29) counted as a refusal"] if "4.29" in codes else []


def rows_at_the_end() -> list[str]:
    """For the trace: two runs of one seed end with the same rows and events."""
    rows = Mitigation.objects.order_by("subscription__certificate_chain", "mid").values_list(
        "mid", "status", "dots_status", "sends", "setbacks", "confirmed_at", "ended_at"
    )
    events = Event.objects.order_by("seq", "at").values_list("seq", "type", "at")
    return [*map(str, rows), *map(str, events)]


def _unexplained(life: Life, by_mid: dict[tuple[str, int], Mitigation]) -> list[str]:
    found = []
    for name, provider in life.providers.items():
        for held in provider.held:
            row = by_mid.get((held.client, held.mid))
            if row is None:
                found.append(f"{name} holds {held.client} mid {held.mid}, which no row explains")
            elif row.is_over and held.status not in (*ENDING, MitigationStatus.WITHDRAWN):
                found.append(f"{held.client} mid {held.mid} is {held.status.name}, its row is over")
    return found


def _differing(life: Life, row: Mitigation) -> list[str]:
    client = row.subscription.certificate_chain
    name = f"{client} mid {row.mid}"
    if row.status not in CONFIRMED or row.wanted != Wanted.ACTIVE:
        if row.status == Status.TERMINATING and not life.scenario.useless:
            return [f"{name} is still terminating"]
        return []
    provider = life.providers[provider_of(client)]
    held = next((one for one in provider.held if (one.client, one.mid) == (client, row.mid)), None)
    if held is None:
        return [f"{name} is not held, its row says {row.status}"]
    if row.dots_status != held.status:
        return [f"{name} is {held.status.name}, its row says {row.status}"]
    asked = life.asked[client, row.mid]
    if row.request.auto_renew and asked != row.lifetime_s:
        return [f"{name} was asked for {asked} s, its row says {row.lifetime_s}"]
    return [] if life.reports.are_saved(client, row) else [f"{name} does not show the last report"]


def _unhelped(life: Life, request: MitigationRequest, rows: list[Mitigation]) -> list[str]:
    """Some provider filters, unless a person withdrew every one that could."""
    if any(row.wanted == Wanted.ACTIVE and row.status in FILTERING for row in rows):
        return []
    withdrawn = {row.subscription_id for row in rows if row.withdrawn_by_id is not None}
    able = {
        subscription.pk
        for client, subscription in life.rows.subscriptions.items()
        if subscription.organization_id == request.organization_id
        and provider_of(client) != life.scenario.useless
    }
    if able <= withdrawn or (withdrawn and len(rows) == len(withdrawn)):
        return []
    mitigations = ", ".join(
        f"{row.subscription.certificate_chain} {row.mid} {row.status}" for row in rows
    )
    return [f"no provider filters for {request.name} ({request.status}): {mitigations}"]

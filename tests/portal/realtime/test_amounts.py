"""What a page gets in place of reports of amounts: one small frame with the newest of each
mitigation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone
from hypothesis import given

from portal.accounts.models import User
from portal.core.broadcast import EventFrame
from portal.events.log import append_event
from portal.events.models import EventType
from portal.organizations.models import Organization
from portal.realtime.frames import EncodedEvent, amounts
from portal.realtime.outbox import Outbox
from tests.portal.realtime.conftest import Log, TokenOf
from tests.portal.realtime.test_folding import NUMBERS, frames_of, kinds, statuses
from tests.sockets import Socket

LIVE = 6
FRAME_BYTES = 625
"""Of all amounts of LIVE mitigations. Every 2 s, that is 2.5 kbit/s."""


def read_as_page(box: Outbox) -> tuple[list[int], dict[str, Any], int]:
    """The statuses, the newest amounts of each mitigation, and the last number that a page gets."""
    found: list[int] = []
    newest: dict[str, Any] = {}
    last = 0
    while not box.is_empty:
        if reports := box.pop_numbers():
            frame = json.loads(amounts(reports))
            assert frame["type"] == "amounts"
            newest |= frame["data"]
        else:
            event = box.pop()
            assert event is not None
            frame = event.event
            found.append(event.seq)
        assert frame["seq"] > last
        last = frame["seq"]
    return found, newest, last


@given(kinds)
def test_a_page_gets_every_status_and_the_newest_amounts_of_each_mitigation(
    kinds: list[tuple[str, str]],
) -> None:
    frames = frames_of(kinds)
    box = Outbox()
    box.put(frames)

    found, newest, last = read_as_page(box)

    assert found == statuses(frames)
    assert {one: values[1] for one, values in newest.items()} == {
        str(one.event["mitigation"]): one.event["data"]["bps_dropped"]
        for one in frames
        if one.is_numbers
    }
    assert last == len(frames)


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ({}, [None, None, None]),
        ({"bps_dropped": 0}, [None, 0, None]),
        ({"bytes_dropped": 1, "pkts_dropped": 2, "bps_dropped": 3, "pps_dropped": 4}, [1, 3, 4]),
        ({"pps_dropped": 4, "held_until": "2026-10-06T03:12:14Z"}, [None, None, 4]),
    ],
)
def test_amounts_that_were_not_reported_are_null(data: Any, values: list[int | None]) -> None:
    (report,) = frames_of([(NUMBERS, "a")])
    report = EncodedEvent({**report.event, "data": data})

    assert json.loads(amounts([report])) == {
        "seq": 1,
        "at": "2026-10-06T03:12:14Z",
        "type": "amounts",
        "data": {"a": [*values, 1791256334.0]},
    }


def test_the_frame_is_small() -> None:
    reports = [
        EncodedEvent(
            EventFrame(
                seq=1_000_000 + number,
                at="2026-10-06T03:12:14.123456Z",
                type=NUMBERS,
                request=str(UUID(int=number)),
                mitigation=str(UUID(int=number)),
                data={
                    "bytes_dropped": 10**13 + number,
                    "pkts_dropped": 10**10,
                    "bps_dropped": 10**10,
                    "pps_dropped": 10**7,
                    "held_until": "2026-10-06T03:12:12.123456Z",
                },
            )
        )
        for number in range(LIVE)
    ]

    assert len(amounts(reports)) <= FRAME_BYTES
    assert len(amounts(reports)) * 3 <= sum(len(one.text) for one in reports)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_replayed", [True, False])
async def test_a_socket_sends_amounts_to_those_who_request_brief_numbers_only(
    bob: User, acme: Organization, token_of: TokenOf, log: Log, is_replayed: bool
) -> None:
    token = await database_sync_to_async(token_of)(bob)
    pages = [Socket(token=token, numbers="brief"), Socket(token=token)]

    async def connect() -> None:
        for one in pages:
            assert await one.connect() == 0
            if not is_replayed:
                assert await one.says_nothing_new()

    if not is_replayed:
        await connect()
    await database_sync_to_async(_report)(acme)
    await log(acme)
    if is_replayed:
        await connect()

    page, program = pages
    assert [(await program.receive_event())["type"] for _ in range(2)] == [NUMBERS, "session.up"]
    frame = await page.receive_event()
    assert (frame["seq"], frame["type"]) == (1, "amounts")
    assert [values[1] for values in frame["data"].values()] == [7]
    assert (await page.receive_event())["type"] == "session.up"
    for one in pages:
        await one.disconnect()


@dataclass
class Reported:
    """A mitigation, as far as its events name it."""

    pk: UUID
    request_id: UUID


def _report(organization: Organization) -> None:
    append_event(
        organization_id=organization.pk,
        type=EventType.MITIGATION_COUNTERS,
        at=timezone.now(),
        mitigation=Reported(uuid4(), uuid4()),
        data={"bps_dropped": 7},
    )

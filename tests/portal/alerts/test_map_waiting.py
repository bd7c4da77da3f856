from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from itertools import islice

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import (
    AlertEndpoint,
    AlertPayload,
    AlertProposal,
    Incident,
    ReceivedAlert,
)
from portal.alerts.services import map_waiting as mapping
from portal.alerts.services import save_alerts as saving
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.fold import Folded
from portal.alerts.services.gather import gather
from portal.alerts.services.incident_rows import IncidentRows
from portal.alerts.services.map_waiting import (
    ALERTS_AT_ONCE,
    map_waiting,
    replay,
    turns,
    waiting_payloads,
)
from portal.alerts.services.receive import accept
from portal.core.errors import NotAllowed, NotFound
from portal.events.models import Event
from portal.organizations.models import Organization
from tests.portal.alerts.conftest import Detector
from tests.portal.alerts.reported import NOW


def test_a_rejected_record_is_saved_and_can_be_mapped_again(
    detector: Detector, bob: User, charlie: User, dana: User
) -> None:
    body = json.dumps([{"id": "a-1", "pps": "many"}, {"id": "a-2"}]).encode()
    accept(detector.endpoint, body, NOW)
    map_waiting()
    payload = AlertPayload.objects.get()

    assert [(one.index, one.code, one.field) for one in payload.rejections] == [
        (0, "bad-number", "pps")
    ]
    assert ReceivedAlert.objects.get().event_id == "a-2"
    with pytest.raises(NotAllowed):
        replay(payload=payload, actor=Actor.person(bob))
    with pytest.raises(NotFound):
        replay(payload=payload, actor=Actor.person(charlie))
    replay(payload=payload, actor=Actor.person(dana))
    assert map_waiting() == 1
    assert AlertPayload.objects.get().rejections
    assert ReceivedAlert.objects.get().count == 2


def test_a_payload_on_which_the_portal_fails_does_not_stop_the_others(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    accept(detector.endpoint, b'{"id": "a-1"}', NOW)
    with monkeypatch.context() as patch:
        patch.setattr(saving, "gather", fails)
        assert map_waiting() == 0
    accept(detector.endpoint, b'{"id": "a-2"}', NOW)

    assert map_waiting() == 1
    [failed] = AlertPayload.objects.all()
    assert [one.code for one in failed.rejections] == ["portal-failed"]


def test_a_payload_on_which_the_portal_fails_does_not_stop_those_saved_with_it(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_once(rows: IncidentRows, found: Folded, now: datetime) -> AlertProposal | None:
        if found.row.event_id == "bad":
            raise RuntimeError("a defect")
        return gather(rows, found, now)

    for name in ("a-1", "bad", "a-2"):
        accept(detector.endpoint, json.dumps({"id": name}).encode(), NOW)
    monkeypatch.setattr(saving, "gather", fails_once)

    assert map_waiting() == 2
    assert set(ReceivedAlert.objects.values_list("event_id", flat=True)) == {"a-1", "a-2"}
    assert AlertPayload.objects.get().rejections


def test_after_a_death_before_the_commit_everything_is_mapped_once(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DeathError(BaseException):
        pass

    def dies(rows: IncidentRows, found: Folded, now: datetime) -> AlertProposal | None:
        proposal = gather(rows, found, now)
        if found.row.event_id == "a-2":
            raise DeathError
        return proposal

    for name in ("a-1", "a-2", "a-3"):
        body = json.dumps({"id": name, "targets": ["203.0.113.7"]}).encode()
        accept(detector.endpoint, body, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(saving, "gather", dies)
        with pytest.raises(DeathError):
            map_waiting()

    assert not ReceivedAlert.objects.exists()
    assert map_waiting() == 3
    assert list(ReceivedAlert.objects.values_list("count", flat=True)) == [1, 1, 1]
    assert Incident.objects.count() == AlertProposal.objects.count() == 1


def test_alerts_of_one_incident_in_one_transaction_keep_their_order(detector: Detector) -> None:
    for after, state in enumerate(("start", "end", "start")):
        body = json.dumps({"id": "a-1", "targets": ["203.0.113.7"], "state": state, "pps": after})
        accept(detector.endpoint, body.encode(), NOW + timedelta(seconds=after))

    assert map_waiting() == 3

    first, second = ReceivedAlert.objects.order_by("first_at")
    assert (first.count, first.ended_at) == (2, NOW + timedelta(seconds=1))
    assert (second.count, second.ended_at) == (1, None)
    assert first.incident == second.incident
    changed = Event.objects.filter(type="incident.changed").order_by("seq")
    assert [one.data["status"] for one in changed] == ["ending", "ongoing"]
    assert Incident.objects.get().closes_at is None


def test_more_alerts_need_no_more_statements(detector: Detector) -> None:
    def statements(count: int, pps: int) -> int:
        for number in range(count):
            body = {"id": f"a-{number}", "targets": [f"203.0.113.{number}"], "pps": pps}
            accept(detector.endpoint, json.dumps(body).encode(), NOW)
        with CaptureQueriesContext(connection) as captured:
            assert map_waiting() == count
        return len(captured)

    statements(15, pps=1)

    news = statements(15, pps=2), statements(2, pps=3)
    repeats = statements(15, pps=1), statements(2, pps=1)
    assert news[0] == news[1]
    assert repeats[0] == repeats[1] < news[0]


def test_endpoints_take_turns(
    detector: Detector, charlie: User, globex: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "PAYLOADS_PER_RUN", 5)
    other, _ = add_endpoint(
        organization=globex,
        actor=Actor.person(charlie),
        wish=EndpointWish(name="Edge", source=AlertSource.PLAIN),
    )
    for number in range(15):
        accept(detector.endpoint, json.dumps({"id": f"a-{number}"}).encode(), NOW)
    accept(other, b'{"id": "b-1"}', NOW + timedelta(seconds=1))

    assert map_waiting() == 6
    assert ReceivedAlert.objects.filter(organization=globex).count() == 1
    assert ReceivedAlert.objects.count() == 6


def test_organizations_take_turns_however_many_endpoints_they_have(
    acme: Organization, alice: User, charlie: User, globex: Organization
) -> None:
    def add(organization: Organization, admin: User, name: str) -> AlertEndpoint:
        wish = EndpointWish(name=name, source=AlertSource.PLAIN)
        return add_endpoint(organization=organization, actor=Actor.person(admin), wish=wish)[0]

    for number in range(5):
        accept(add(acme, alice, f"E{number}"), b'{"id": "a-1"}', NOW)
    accept(add(globex, charlie, "Edge"), b'{"id": "b-1"}', NOW + timedelta(seconds=9))
    [waits] = AlertPayload.objects.filter(organization=globex)

    first = set()
    for _ in range(20):
        two = list(islice(turns(waiting_payloads(), until=math.inf), 2))
        assert waits.pk in {one[0] for one in two}
        first.add(two[0][0] == waits.pk)
    assert first == {True, False}


def test_a_run_ends_after_its_time(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "RUN_FOR_S", 0)
    for number in range(3):
        accept(detector.endpoint, json.dumps({"id": f"a-{number}"}).encode(), NOW)

    assert map_waiting() == 0
    assert mapping.map_endpoint(detector.endpoint.pk) == 3


def test_a_turn_ends_once_it_has_as_many_alerts_as_one_transaction_saves(
    detector: Detector,
) -> None:
    for number in range(3):
        lines = [json.dumps({"id": f"a-{number}-{n}"}) for n in range(ALERTS_AT_ONCE // 2)]
        accept(detector.endpoint, "\n".join(lines).encode(), NOW)

    assert mapping.map_endpoint(detector.endpoint.pk) == 2
    assert mapping.map_endpoint(detector.endpoint.pk) == 1


def test_one_run_at_a_time_maps(detector: Detector) -> None:
    accept(detector.endpoint, b'{"id": "a-1"}', NOW)

    with mapping._running:
        assert map_waiting() == 0
    assert map_waiting() == 1


@pytest.mark.parametrize(
    ("records", "locks"),
    [(1, 1), (ALERTS_AT_ONCE, 1), (ALERTS_AT_ONCE + 1, 2), (3 * ALERTS_AT_ONCE, 3)],
)
def test_a_long_payload_holds_the_lock_for_a_few_alerts_at_a_time(
    detector: Detector, records: int, locks: int
) -> None:
    lines = [json.dumps({"id": f"a-{n}", "targets": ["203.0.113.7"]}) for n in range(records)]
    accept(detector.endpoint, "\n".join(lines).encode(), NOW)

    with CaptureQueriesContext(connection) as captured:
        assert map_waiting() == 1

    assert sum("FOR NO KEY UPDATE" in one["sql"] for one in captured) == locks
    assert ReceivedAlert.objects.count() == records
    assert AlertPayload.objects.filter(is_waiting=True).count() == 0


def test_the_log_that_submissions_wait_for_is_locked_last(detector: Detector) -> None:
    accept(detector.endpoint, b'{"id": "a-1", "targets": ["203.0.113.7"]}', NOW)

    with CaptureQueriesContext(connection) as captured:
        map_waiting()

    written = [one["sql"] for one in captured if one["sql"].startswith(("INSERT", "UPDATE"))]
    first = next(n for n, sql in enumerate(written) if "mitigations_eventcounter" in sql)
    assert ["mitigations_event" in sql for sql in written[first:]] == [True, True]


def test_alerts_of_a_payload_that_is_mapped_again_are_repeats(
    detector: Detector,
) -> None:
    lines = [json.dumps({"id": f"a-{n}", "targets": ["203.0.113.7"]}) for n in range(15)]
    body = "\n".join(lines).encode()
    accept(detector.endpoint, "\n".join(lines[:10]).encode(), NOW)
    map_waiting()
    accept(detector.endpoint, body, NOW)

    map_waiting()

    assert sorted(ReceivedAlert.objects.values_list("count", flat=True)) == [1] * 5 + [2] * 10

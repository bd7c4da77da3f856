from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from dots_client import (
    AttackStatus,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    MitigationStatus,
    PortRange,
    Scope,
    Targets,
)
from dots_server.export import ExportError, RegisterExport
from dots_server.mitigation import Mitigation
from dots_server.signal_channel import SignalChannel
from tests.dots_server.servers import (
    HEARTBEAT,
    START,
    Filters,
    ask,
    channel,
    open_session,
    put,
    report,
)

Status = MitigationStatus
TARGETS = Targets(
    target_prefix=("2001:db8::/48",),
    target_port_range=(PortRange(lower=80), PortRange(lower=8000, upper=8080)),
    target_protocol=(6, 17),
    target_fqdn=("www.acme.example",),
    target_uri=("https://acme.example/",),
)
ENDED = Mitigation(
    client="acme",
    cuid="c",
    mid=4294967295,
    scope=Scope(targets=TARGETS, lifetime=-1, trigger_mitigation=False),
    received_at=START,
    status=Status.WITHDRAWN,
    status_since=START + 0.25,
    expires_at=None,
    started_at=START + 0.125,
    conflict=ConflictInformation(
        status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
        cause=ConflictCause.OVERLAPPING_TARGETS,
        retry_timer_s=60,
        targets=TARGETS,
    ),
    terminating_factor=2,
    end_reports=3,
    efficacy=AttackStatus.UNDER_ATTACK,
)
EXPORT = RegisterExport(
    exported_at=START,
    cuid_owners={"c": "acme"},
    silence_allowed_s={"acme": 450.0},
    mitigations=(ENDED,),
)


def restarted(
    server: SignalChannel, *, now: float, filters: Filters | None = None
) -> SignalChannel:
    """A new server with the export of `server`, and new sessions."""
    text = json.dumps(server.export(now=now).as_json())
    again = channel(2, mitigator=filters)
    again.restore(RegisterExport.from_json(json.loads(text)), now=now)
    return again


def test_json_keeps_every_field() -> None:
    again = RegisterExport.from_json(json.loads(json.dumps(EXPORT.as_json())))

    assert replace(again, mitigations=()) == replace(EXPORT, mitigations=())
    [read] = again.mitigations
    for field in fields(Mitigation):
        assert getattr(read, field.name) == getattr(ENDED, field.name), field.name


def test_a_restarted_server_knows_its_mitigations_and_tells_the_mitigator() -> None:
    server = channel(2)
    put(server, 0, lifetime=600)
    server.advance(now=START)
    filters = Filters()

    again = restarted(server, now=START + 100, filters=filters)

    assert filters.statuses == [(1, Status.MITIGATING)]
    said = report(ask(again, 0, now=START + 100))
    assert (said.status, said.lifetime, said.mitigation_start) == (
        Status.MITIGATING,
        500,
        int(START),
    )
    assert put(again, 0, lifetime=600, now=START + 100).code == "2.04"
    ask(again, 0, "DELETE", now=START + 100)
    assert report(ask(again, 0, now=START + 100)).status is Status.TERMINATING


def test_a_cuid_stays_with_its_client_over_a_restart_even_without_a_mitigation() -> None:
    server = channel(2)
    put(server, 0)
    ask(server, 0, "DELETE")
    for later in range(0, 300, 60):
        server.advance(now=START + later)
    assert list(server.register) == []

    again = restarted(server, now=START + 300)

    assert put(again, 1, cuid="cuid-0", now=START + 300).code == "4.09"
    assert put(again, 0, now=START + 300).code == "2.01"


def test_a_lifetime_that_ran_out_during_the_restart_has_ended() -> None:
    server = channel(2)
    put(server, 0, lifetime=60)
    server.advance(now=START)

    again = restarted(server, now=START + 3600)
    again.advance(now=START + 3600)

    assert report(ask(again, 0, now=START + 3600)).status is Status.TERMINATING


def test_time_without_a_server_does_not_count_as_silence_of_the_clients() -> None:
    server = channel(2)
    put(server, 0, trigger_mitigation=False, lifetime=86400)
    server.receive(0, HEARTBEAT, now=START)

    again = restarted(server, now=START + 7200)
    again.advance(now=START + 7200)
    assert report(ask(again, 0, now=START + 7200)).status is Status.SIGNAL_LOSS

    again.close_session(0)
    again.advance(now=START + 7200 + 450)
    open_session(again, 0, START + 7700)
    assert report(ask(again, 0, now=START + 7700)).status is Status.IN_PROGRESS


def test_an_export_does_not_change_with_the_server() -> None:
    server = channel(1)
    put(server, 0)
    export = server.export(now=START)

    server.advance(now=START)

    assert [held.status for held in export.mitigations] == [Status.IN_PROGRESS]


def test_a_register_with_mitigations_accepts_no_export() -> None:
    server = channel(1)
    put(server, 0)

    with pytest.raises(ValueError, match="empty register"):
        server.restore(EXPORT, now=START)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), None),
        ((), []),
        (("version",), 2),
        (("version",), None),
        (("exported_at",), "now"),
        (("exported_at",), float("nan")),
        (("cuid_owners",), [1]),
        (("cuid_owners",), {"c": 1}),
        (("silence_allowed_s",), {"acme": None}),
        (("mitigations",), None),
        (("mitigations",), [7]),
        (("mitigations", 0, "mid"), "1"),
        (("mitigations", 0, "mid"), True),
        (("mitigations", 0, "status"), 9),
        (("mitigations", 0, "scope"), {}),
        (("mitigations", 0, "scope"), None),
        (("mitigations", 0, "conflict"), {}),
        (("mitigations", 0, "expires_at"), "never"),
        (("mitigations", 0, "efficacy"), 7),
    ],
)
def test_invalid_json_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    export: Any = EXPORT.as_json()
    if path:
        inner = export
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
    else:
        export = value

    with pytest.raises(ExportError):
        RegisterExport.from_json(export)


@pytest.mark.parametrize("missing", list(EXPORT.as_json()["mitigations"][0]))
def test_a_mitigation_without_one_of_its_fields_is_refused(missing: str) -> None:
    export = EXPORT.as_json()
    del export["mitigations"][0][missing]

    with pytest.raises(ExportError, match=missing):
        RegisterExport.from_json(export)

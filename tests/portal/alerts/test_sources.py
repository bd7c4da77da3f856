from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.alerts.alert import Alert, AttackDirection, MappingSettings
from portal.alerts.mapping import AlertSource, map_payload
from portal.core.targets import IPNetwork, Targets, contains
from tests.portal.alerts.fixture_files import (
    CLIENTS,
    PAYLOADS,
    ROOT,
    SETTINGS,
    as_json,
    expected_file,
    source_of,
)

NAME_A_CLIENT: Final = (
    AlertSource.NGINX,
    AlertSource.MODSECURITY,
    AlertSource.CORAZA,
    AlertSource.BIND,
)
ODD: Final[list[Any]] = [
    None, True, 0, -1, 1e308, 10**30, "", "x", "\ud800", "203.0.113.300", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "٣", "1" * 5000, [], {}, [[]], [1],
    [None], ["x"], {"x": 1}, [{"": ""}],
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_payload_maps_to_the_normal_form_beside_it(payload: Path) -> None:
    mapped = map_payload(source_of(payload), payload.read_bytes(), SETTINGS)

    assert as_json(mapped) == json.loads(expected_file(payload).read_text())


def test_each_source_has_a_payload() -> None:
    assert {source_of(payload) for payload in PAYLOADS} == set(AlertSource)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_payload_makes_a_target_of_a_client(payload: Path) -> None:
    mapped = map_payload(source_of(payload), payload.read_bytes(), SETTINGS)

    assert clients_among(mapped.alerts) == []


@pytest.mark.parametrize(
    "payload",
    [one for one in PAYLOADS if source_of(one) in NAME_A_CLIENT],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_source_that_names_clients_has_no_target_unless_its_endpoint_does(payload: Path) -> None:
    without = MappingSettings(received_at=SETTINGS.received_at)

    mapped = map_payload(source_of(payload), payload.read_bytes(), without)

    assert mapped.alerts
    assert [alert.targets for alert in mapped.alerts if alert.targets] == []


@pytest.mark.parametrize(
    "name",
    [
        "fastnetmon/host-outgoing.json",
        "fastnetmon-community/outgoing.json",
        "plain/outgoing.json",
        "wanguard/outgoing.json",
    ],
)
def test_a_host_of_ours_that_attacks_is_no_target(name: str) -> None:
    payload = ROOT / name

    [alert] = map_payload(source_of(payload), payload.read_bytes(), SETTINGS).alerts

    assert alert.direction is AttackDirection.OUTGOING
    assert not alert.targets
    assert alert.attacker.startswith("203.0.113.")


def test_an_end_has_the_identity_of_its_start() -> None:
    pairs = [
        ("fastnetmon/host-ban.json", "fastnetmon/host-unban.json"),
        ("fastnetmon/host-ban.json", "fastnetmon/host-status.json"),
        ("fastnetmon-community/ban.json", "fastnetmon-community/unban.json"),
        ("grafana/firing.json", "grafana/resolved.json"),
        ("kentik/flat.json", "kentik/plain.json"),
        ("cloudflare/l4-start.json", "cloudflare/l4-end.json"),
        ("ddos-guard/start.json", "ddos-guard/end.json"),
        ("flowtriq/start.json", "flowtriq/end.json"),
        ("wanguard/start.json", "wanguard/end.json"),
        ("kibana/active.json", "kibana/recovered.json"),
        ("aws-shield/ongoing.json", "aws-shield/ended.json"),
    ]

    for first, last in pairs:
        assert only(first).event_id == only(last).event_id


def test_an_unknown_web_server_is_rejected_without_a_default_target() -> None:
    payload = ROOT / "nginx/error-log.txt"

    mapped = map_payload(
        AlertSource.NGINX, payload.read_bytes(), replace(SETTINGS, default=Targets())
    )

    assert [(one.index, one.code, one.field) for one in mapped.rejections] == [
        (1, "unknown-host", "api.acme.example")
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), payload=st.sampled_from(PAYLOADS))
def test_a_damaged_payload_raises_nothing_and_names_no_client(
    data: st.DataObject, payload: Path
) -> None:
    body = payload.read_text()
    if payload.suffix == ".json":
        body = json.dumps(damaged(json.loads(body), data))
    else:
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 40)))
        body = (
            body[:start] + data.draw(st.sampled_from(["", '"', "=", "|", "\n", "x"])) + body[end:]
        )

    mapped = map_payload(source_of(payload), body.encode(), SETTINGS)

    assert clients_among(mapped.alerts) == []


@settings(max_examples=100, deadline=None)
@given(source=st.sampled_from(AlertSource), body=st.binary(max_size=60))
def test_any_bytes_raise_nothing(source: AlertSource, body: bytes) -> None:
    map_payload(source, body, SETTINGS)


def damaged(document: Any, data: st.DataObject) -> Any:
    """The document with up to three of its values replaced or removed."""
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(containers(document))
        if not places:
            break
        where, key = places[data.draw(st.integers(0, len(places) - 1))]
        if data.draw(st.booleans()):
            where[key] = deepcopy(ODD[data.draw(st.integers(0, len(ODD) - 1))])
        else:
            del where[key]
    return document


def containers(document: Any) -> Iterator[tuple[Any, Any]]:
    pairs: Any = ()
    if isinstance(document, dict):
        pairs = list(document.items())
    elif isinstance(document, list):
        pairs = list(enumerate(document))
    for key, value in pairs:
        yield document, key
        yield from containers(value)


def clients_among(alerts: tuple[Alert, ...]) -> list[IPNetwork]:
    named = [network for alert in alerts for network in alert.targets.prefixes]
    return [one for one in named if any(contains(clients, one) for clients in CLIENTS)]


def only(name: str) -> Alert:
    payload = ROOT / name
    [alert] = map_payload(source_of(payload), payload.read_bytes(), SETTINGS).alerts
    return alert

"""A sample of what each source sends, for the test of an endpoint and for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portal.alerts.mapping import AlertSource

TEST_ID: Final = "portal-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """What a sample is about."""

    target: str
    "an address without its mask, or a prefix"
    host: str
    "a web server that the endpoint knows; empty: none"
    now: datetime


def sample(source: AlertSource, facts: SampleFacts) -> bytes:
    """A payload that says that an attack on `facts.target` started now."""
    made = _SAMPLES[source](facts)
    return (made if isinstance(made, str) else json.dumps(made)).encode()


def _plain(facts: SampleFacts) -> dict[str, Any]:
    return {
        "id": TEST_ID,
        "state": "start",
        "targets": [facts.target],
        "vector": "test",
        "severity": 1,
        "started_at": facts.now.isoformat(),
        "text": "Test from the portal",
    }


def _fastnetmon(facts: SampleFacts) -> dict[str, Any]:
    return {
        "ip": _address(facts),
        "alert_scope": "host",
        "action": "ban",
        "attack_details": {
            "attack_uuid": TEST_ID,
            "attack_severity": "low",
            "attack_type": "test",
            "attack_direction": "incoming",
            "attack_protocol": "udp",
        },
    }


def _community(facts: SampleFacts) -> dict[str, Any]:
    return {"ip": _address(facts), "direction": "incoming", "pps": "1", "action": "ban"}


def _prometheus(version: str) -> Callable[[SampleFacts], dict[str, Any]]:
    def made(facts: SampleFacts) -> dict[str, Any]:
        alert = {
            "status": "firing",
            "labels": {"alertname": "test", "dots_target_prefix": facts.target},
            "annotations": {"summary": "Test from the portal"},
            "startsAt": facts.now.isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": TEST_ID,
        }
        return {"version": version, "status": "firing", "alerts": [alert]}

    return made


def _kentik(facts: SampleFacts) -> dict[str, Any]:
    return {
        "Type": "alarm",
        "Description": "Test from the portal",
        "IsActive": True,
        "StartTimestamp": int(facts.now.timestamp()),
        "AlarmID": TEST_ID,
        "Dimensions": {"IP_dst": facts.target},
    }


def _cloudflare(facts: SampleFacts) -> dict[str, Any]:
    return {
        "alert_type": "advanced_ddos_attack_l4_alert",
        "alert_correlation_id": TEST_ID,
        "alert_event": "ALERT_STATE_EVENT_START",
        "text": "Test from the portal",
        "data": {"target_ip": _address(facts), "attack_vector": "test"},
    }


def _ddos_guard(facts: SampleFacts) -> dict[str, Any]:
    return {"start": int(facts.now.timestamp()), "end": 0, "target": {"subnet": facts.target}}


def _flowtriq(facts: SampleFacts) -> dict[str, Any]:
    return {
        "event_type": "attack_start",
        "incident": {"uuid": TEST_ID, "title": "Test from the portal", "attack_family": "test"},
        "node": {"ip_address": _address(facts)},
    }


def _wanguard(facts: SampleFacts) -> dict[str, Any]:
    return {**_plain(facts), "direction": "incoming"}


def _suricata(facts: SampleFacts) -> dict[str, Any]:
    return {
        "timestamp": facts.now.isoformat(),
        "event_type": "alert",
        "dest_ip": _address(facts),
        "alert": {"signature_id": 1, "signature": "Test from the portal", "severity": 3},
    }


def _zeek(facts: SampleFacts) -> dict[str, Any]:
    return {"ts": facts.now.timestamp(), "note": "Portal::Test", "dst": _address(facts)}


def _modsecurity(facts: SampleFacts) -> dict[str, Any]:
    message = {"message": "Test from the portal", "details": {"ruleId": "1", "severity": "5"}}
    request = {"headers": {"Host": facts.host}}
    return {"transaction": {"request": request, "messages": [message]}}


def _coraza(facts: SampleFacts) -> dict[str, Any]:
    request = {"headers": {"host": [facts.host]}}
    message = {"message": "Test from the portal", "data": {"id": 1, "severity": 5}}
    return {"transaction": {"request": request}, "messages": [message]}


def _nginx(facts: SampleFacts) -> str:
    return (
        f'[error] 1#1: *1 limiting requests, excess: 0.001 by zone "portal-test", '
        f'client: 192.0.2.1, server: {facts.host or "_"}, request: "GET / HTTP/1.1", '
        f'host: "{facts.host or "_"}"'
    )


def _bind(_facts: SampleFacts) -> str:
    return "rate-limit: info: limit responses to 192.0.2.0/24 for portal-test IN A  (00000000)"


def _aed(facts: SampleFacts) -> str:
    return (
        "CEF:0|NETSCOUT|Arbor Edge Defense|1|Test from the portal|Blocked Host|1|"
        f"src=192.0.2.1 dst={_address(facts)}"
    )


def _wazuh(facts: SampleFacts) -> dict[str, Any]:
    return {
        "severity": 1,
        "title": "Test from the portal",
        "rule_id": TEST_ID,
        "dots_target_prefix": facts.target,
    }


def _kibana(facts: SampleFacts) -> dict[str, Any]:
    return {**_plain(facts), "action_group": "test"}


def _sightline(facts: SampleFacts) -> dict[str, Any]:
    subject = {"direction": "Incoming", "host_address": _address(facts), "misuse_types": ["test"]}
    attributes = {"alert_class": "dos", "ongoing": True, "subobject": subject}
    return {"type": "alert", "id": TEST_ID, "attributes": attributes}


def _aws(facts: SampleFacts) -> dict[str, Any]:
    part = {"Type": "IP", "Id": _address(facts), "AttackVectors": [{"VectorType": "test"}]}
    return {"Attack": {"AttackId": TEST_ID, "SubResources": [part]}}


def _address(facts: SampleFacts) -> str:
    """Without the mask, which detectors leave out for hosts."""
    return facts.target.partition("/")[0]


_SAMPLES: Final[Mapping[AlertSource, Callable[[SampleFacts], dict[str, Any] | str]]] = {
    AlertSource.PLAIN: _plain,
    AlertSource.FASTNETMON: _fastnetmon,
    AlertSource.FASTNETMON_COMMUNITY: _community,
    AlertSource.ALERTMANAGER: _prometheus("4"),
    AlertSource.GRAFANA: _prometheus("1"),
    AlertSource.KENTIK: _kentik,
    AlertSource.CLOUDFLARE: _cloudflare,
    AlertSource.DDOS_GUARD: _ddos_guard,
    AlertSource.FLOWTRIQ: _flowtriq,
    AlertSource.WANGUARD: _wanguard,
    AlertSource.SURICATA: _suricata,
    AlertSource.ZEEK: _zeek,
    AlertSource.MODSECURITY: _modsecurity,
    AlertSource.CORAZA: _coraza,
    AlertSource.NGINX: _nginx,
    AlertSource.BIND: _bind,
    AlertSource.NETSCOUT_AED: _aed,
    AlertSource.WAZUH: _wazuh,
    AlertSource.KIBANA: _kibana,
    AlertSource.SIGHTLINE: _sightline,
    AlertSource.AWS_SHIELD: _aws,
}

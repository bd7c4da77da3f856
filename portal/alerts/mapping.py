"""Map a payload of any source to alerts in normal form. A pure function of bytes and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portal.alerts.alert import (
    Alert,
    Mapped,
    MappingSettings,
    Rejection,
    RejectionCode,
    UnmappableError,
)
from portal.alerts.payload import MAX_RECORDS, json_records, line_records
from portal.alerts.sources import (
    alertmanager,
    aws_shield,
    bind,
    cloudflare,
    coraza,
    ddos_guard,
    fastnetmon,
    fastnetmon_community,
    flowtriq,
    grafana,
    kentik,
    kibana,
    modsecurity,
    netscout_aed,
    nginx,
    plain,
    sightline,
    suricata,
    wanguard,
    wazuh,
    zeek,
)


class AlertSource(StrEnum):
    """The detectors whose payloads the portal reads."""

    PLAIN = "plain"
    FASTNETMON = "fastnetmon"
    FASTNETMON_COMMUNITY = "fastnetmon-community"
    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    KENTIK = "kentik"
    CLOUDFLARE = "cloudflare"
    DDOS_GUARD = "ddos-guard"
    FLOWTRIQ = "flowtriq"
    WANGUARD = "wanguard"
    SURICATA = "suricata"
    ZEEK = "zeek"
    MODSECURITY = "modsecurity"
    CORAZA = "coraza"
    NGINX = "nginx"
    BIND = "bind"
    NETSCOUT_AED = "netscout-aed"
    WAZUH = "wazuh"
    KIBANA = "kibana"
    SIGHTLINE = "sightline"
    AWS_SHIELD = "aws-shield"


@dataclass(frozen=True, slots=True)
class _Mapper:
    alerts: Callable[[object, MappingSettings], Iterator[Alert]]
    records: Callable[[bytes], list[object]] = json_records


_MAPPERS: Final[Mapping[AlertSource, _Mapper]] = {
    AlertSource.PLAIN: _Mapper(plain.alerts),
    AlertSource.FASTNETMON: _Mapper(fastnetmon.alerts),
    AlertSource.FASTNETMON_COMMUNITY: _Mapper(fastnetmon_community.alerts),
    AlertSource.ALERTMANAGER: _Mapper(alertmanager.alerts),
    AlertSource.GRAFANA: _Mapper(grafana.alerts),
    AlertSource.KENTIK: _Mapper(kentik.alerts),
    AlertSource.CLOUDFLARE: _Mapper(cloudflare.alerts),
    AlertSource.DDOS_GUARD: _Mapper(ddos_guard.alerts),
    AlertSource.FLOWTRIQ: _Mapper(flowtriq.alerts),
    AlertSource.WANGUARD: _Mapper(wanguard.alerts),
    AlertSource.SURICATA: _Mapper(suricata.alerts),
    AlertSource.ZEEK: _Mapper(zeek.alerts),
    AlertSource.MODSECURITY: _Mapper(modsecurity.alerts),
    AlertSource.CORAZA: _Mapper(coraza.alerts),
    AlertSource.NGINX: _Mapper(nginx.alerts, line_records),
    AlertSource.BIND: _Mapper(bind.alerts, line_records),
    AlertSource.NETSCOUT_AED: _Mapper(netscout_aed.alerts, line_records),
    AlertSource.WAZUH: _Mapper(wazuh.alerts),
    AlertSource.KIBANA: _Mapper(kibana.alerts),
    AlertSource.SIGHTLINE: _Mapper(sightline.alerts),
    AlertSource.AWS_SHIELD: _Mapper(aws_shield.alerts),
}


def records_of(source: AlertSource, body: bytes) -> list[object]:
    """The records of a payload, at most `MAX_RECORDS`.

    :raises UnmappableError: the body as a whole cannot be read.
    """
    return _MAPPERS[source].records(body)


def map_payload(source: AlertSource, body: bytes, settings: MappingSettings) -> Mapped:
    """What a payload says: alerts in its order, and the records that were rejected.

    A body that cannot be read at all is one rejection, of record 0.
    """
    try:
        records = records_of(source, body)
    except UnmappableError as error:
        return Mapped(rejections=(Rejection(0, error.code, error.field),))
    alerts: list[Alert] = []
    rejections: list[Rejection] = []
    ignored = 0
    for index, record in enumerate(records):
        try:
            found = list(_MAPPERS[source].alerts(record, settings))
        except UnmappableError as error:
            rejections.append(Rejection(index, error.code, error.field))
            continue
        if len(alerts) + len(found) > MAX_RECORDS:
            rejections.append(Rejection(index, RejectionCode.TOO_MANY_RECORDS))
            continue
        ignored += not found
        alerts.extend(found)
    return Mapped(alerts=tuple(alerts), rejections=tuple(rejections), ignored=ignored)

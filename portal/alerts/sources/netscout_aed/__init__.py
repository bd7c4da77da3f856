"""NETSCOUT AED: blocked hosts in CEF over syslog. `src` is blocked, `dst` is protected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import (
    Alert,
    AlertState,
    AttackDirection,
    MappingSettings,
    RejectionCode,
    UnmappableError,
)
from portal.alerts.fields import Fields

_MILLISECONDS: Final = 1000
_HEADER: Final = re.compile(r"CEF:\d\|(?:[^|\\]|\\.){0,100}(?:\|(?:[^|\\]|\\.){0,200}){5}")
_KEY: Final = re.compile(r"(?:^|\s)([A-Za-z0-9]{1,40})=")
_WORST: Final = 10


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    """Other lines of the log are no alerts."""
    if not isinstance(record, str):
        raise UnmappableError(RejectionCode.WRONG_TYPE)
    start = record.find("CEF:")
    header = _HEADER.match(record, start) if start >= 0 else None
    if header is None:
        return
    parts = re.split(r"(?<!\\)\|", header[0])
    fields = _extension(record[header.end() :].removeprefix("|"))
    attacked = meaning.targets([fields.needed("dst")], "dst")
    seen = fields.time("rt", _MILLISECONDS)
    name = parts[4].strip()
    severity = Fields({"severity": parts[6]}).number("severity") or 0
    yield Alert(
        event_id=meaning.fallback_id(attacked, name, seen or settings.received_at),
        state=AlertState.START,
        targets=attacked,
        direction=AttackDirection.INCOMING,
        protocols=meaning.known_protocols(fields.text("proto")),
        ports=meaning.ports([fields.text("dpt")], "dpt"),
        vector=name,
        severity=min(4, round(severity * 4 / _WORST)),
        started_at=seen,
        text=f"{parts[5]} {fields.text('cs2')}".strip(),
    )


def _extension(text: str) -> Fields:
    found = list(_KEY.finditer(text))
    ends = [*(one.start() for one in found), len(text)][1:]
    return Fields(
        {
            key[1]: text[key.end() : end].strip().replace(r"\=", "=")
            for key, end in zip(found, ends, strict=True)
        }
    )

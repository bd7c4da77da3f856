"""Payloads of each source as its own software sends them, with what they mean beside them.

Addresses of clients and attackers are in 198.51.100.0/24 and 2001:db8:ffff::/48, everything of the
organization is outside them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from portal.alerts.alert import Mapped, MappingSettings
from portal.alerts.mapping import AlertSource
from portal.core.json_value import write_json
from portal.core.targets import Targets

ROOT: Final = Path(__file__).parent / "fixtures"
CLIENTS: Final = (ip_network("198.51.100.0/24"), ip_network("2001:db8:ffff::/48"))
SETTINGS: Final = MappingSettings(
    received_at=datetime(2026, 11, 28, 18, 0, 30, tzinfo=UTC),
    default=Targets.saved(prefixes=["203.0.113.53/32"]),
    hosts={"shop.acme.example": Targets.saved(fqdns=["shop.acme.example"])},
    notices=frozenset({"Local::UDP_Flood"}),
)
PAYLOADS: Final = sorted(
    path for path in ROOT.rglob("*.*") if not path.name.endswith(".expected.json")
)


def source_of(payload: Path) -> AlertSource:
    return AlertSource(payload.parent.name)


def expected_file(payload: Path) -> Path:
    return payload.with_name(f"{payload.stem}.expected.json")


def as_json(mapped: Mapped) -> Any:
    """The normal form as it is beside the payload."""
    return json.loads(
        json.dumps(
            {
                "alerts": [write_json(one) for one in mapped.alerts],
                "rejections": [
                    {"index": one.index, "code": one.code, "field": one.field}
                    for one in mapped.rejections
                ],
                "ignored": mapped.ignored,
            }
        )
    )

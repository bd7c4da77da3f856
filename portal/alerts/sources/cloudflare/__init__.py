"""Cloudflare notifications about attacks on layers 3/4 (an address) and 7 (a host name)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields

_BITS_PER_MEGABIT: Final = 1_000_000
_ENDED: Final = "ALERT_STATE_EVENT_END"
_ATTACKS: Final = frozenset(
    f"{kind}_{layer}" if kind == "dos_attack" else f"{kind}_{layer}_alert"
    for kind in ("dos_attack", "advanced_ddos_attack")
    for layer in ("l4", "l7")
)


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    """Other notifications of an account, such as the end of a certificate, are no alerts."""
    fields = Fields.of(record)
    if fields.text("alert_type") not in ("", *_ATTACKS):
        return
    data = fields.child("data")
    named = data.text("target_ip") or data.text("target_hostname")
    if "target_ip" not in data and "target_hostname" not in data:
        return
    attacked = meaning.targets([named], data.path("target")) or settings.default
    is_over = fields.text("alert_event") == _ENDED
    sent = fields.time("ts")
    own_id = fields.label("alert_correlation_id") or data.label("attack_id")
    started = data.time("start_time")
    vector = data.text("attack_vector") or data.text("attack_type")
    yield Alert(
        event_id=meaning.event_id(own_id)
        or meaning.fallback_id(attacked, vector, started or sent or settings.received_at),
        state=AlertState.END if is_over else AlertState.START,
        targets=attacked,
        protocols=meaning.known_protocols(data.text("protocol")),
        ports=meaning.ports([data.label("target_port")], data.path("target_port")),
        vector=vector,
        bps=data.amount("megabits_per_second", _BITS_PER_MEGABIT),
        pps=data.amount("packets_per_second"),
        started_at=started,
        ended_at=sent if is_over else None,
        link=data.link("dashboard_link"),
        text=data.text("rule_description") or fields.text("text"),
    )

"""Web servers and their firewalls name a client.

The target is the server itself, which the endpoint knows by its name.
"""

from __future__ import annotations

from datetime import datetime

from portal.alerts import meaning
from portal.alerts.alert import (
    MAX_VECTOR_LENGTH,
    Alert,
    AlertState,
    AttackDirection,
    MappingSettings,
)
from portal.alerts.fields import Fields, printable


def host_header(headers: Fields) -> str:
    """The name that the client asked for; ModSecurity writes a text, Coraza a list of texts."""
    folded = headers.folded()
    value = folded.raw("host")
    return next(iter(folded.texts("host")), "") if isinstance(value, list) else folded.text("host")


def alert(
    *,
    host: str,
    what: str,
    text: str,
    settings: MappingSettings,
    severity: int | None = None,
    seen: datetime | None = None,
) -> Alert:
    attacked = meaning.targets_of_host(host, settings)
    moment = seen or settings.received_at
    return Alert(
        event_id=meaning.fallback_id(attacked, f"{host.lower()} {what}", moment),
        state=AlertState.START,
        targets=attacked,
        direction=AttackDirection.INCOMING,
        vector=printable(what, MAX_VECTOR_LENGTH),
        severity=severity,
        started_at=seen,
        text=printable(text),
    )

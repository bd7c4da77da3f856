"""Coraza's audit log in JSON: its messages are beside the transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.alerts.alert import Alert, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import Fields
from portal.alerts.sources import web_server
from portal.alerts.sources.modsecurity import SEVERITIES

_NANOSECONDS: Final = 10**9


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    if "transaction" not in fields:
        raise UnmappableError(RejectionCode.OTHER_SOURCE, "transaction")
    transaction = fields.child("transaction")
    asked = web_server.host_header(transaction.child("request").child("headers"))
    host = asked or transaction.text("server_id")
    for message in fields.children("messages"):
        data = message.child("data")
        text = message.text("message") or data.text("msg")
        yield web_server.alert(
            host=host,
            what=f"rule {data.label('id')}: {text}",
            text=text,
            severity=SEVERITIES.get(data.label("severity")),
            seen=transaction.time("unix_timestamp", _NANOSECONDS),
            settings=settings,
        )

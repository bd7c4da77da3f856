"""ModSecurity's audit log in JSON, of version 2 and of version 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from portal.alerts.alert import Alert, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import Fields
from portal.alerts.sources import web_server

_ID: Final = re.compile(r'\[id "(\d{1,12})"\]')
_MESSAGE: Final = re.compile(r'\[msg "([^"]{1,200})"\]')
_SEVERITY: Final = re.compile(r'\[severity "([A-Z]{1,12})"\]')
SEVERITIES: Final[Mapping[str, int]] = {
    "0": 4, "1": 4, "2": 4, "3": 3, "4": 2, "5": 1, "6": 0, "7": 0,
    "EMERGENCY": 4, "ALERT": 4, "CRITICAL": 4, "ERROR": 3, "WARNING": 2, "NOTICE": 1,
    "INFO": 0, "DEBUG": 0,
}  # fmt: skip
"""As in syslog: 0 is the worst."""


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    if "transaction" not in fields:
        raise UnmappableError(RejectionCode.OTHER_SOURCE, "transaction")
    if "audit_data" in fields:
        yield from _version_2(fields, settings)
    else:
        yield from _version_3(fields.child("transaction"), settings)


def _version_3(transaction: Fields, settings: MappingSettings) -> Iterator[Alert]:
    host = web_server.host_header(transaction.child("request").child("headers"))
    for message in transaction.children("messages"):
        details = message.child("details")
        text = message.text("message")
        yield web_server.alert(
            host=host,
            what=f"rule {details.label('ruleId')}: {text}",
            text=text,
            severity=SEVERITIES.get(details.label("severity")),
            settings=settings,
        )


def _version_2(fields: Fields, settings: MappingSettings) -> Iterator[Alert]:
    host = web_server.host_header(fields.child("request").child("headers"))
    for text in fields.child("audit_data").texts("messages"):
        rule, said, severity = (one.search(text) for one in (_ID, _MESSAGE, _SEVERITY))
        message = said[1] if said else ""
        yield web_server.alert(
            host=host,
            what=f"rule {rule[1] if rule else ''}: {message}",
            text=message,
            severity=SEVERITIES.get(severity[1]) if severity else None,
            settings=settings,
        )

"""What of a line is sent, and which lines count as the same. Pure functions.

The portal's mappers read the records as if the log had been sent as it is. Only what they need
leaves this machine: no client's address, request line, cookie or body. A line of BIND is the
exception: the network in it tells one limit from another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_TEXT: Final = 200
MAX_HOST: Final = 255
_NGINX: Final = re.compile(
    r"(?P<what>(?:limiting|delaying) requests?,(?: dry run,)?) excess: [\d.]{1,20} "
    r'by zone "(?P<zone>[^"]{1,100})"'
)
_NGINX_HOST: Final = re.compile(r', host: "([^"]{1,255})"')
_NGINX_SERVER: Final = re.compile(r", server: ([^,\s]{1,255})")
_BIND: Final = re.compile(
    r"(?:^|\s)(\*?(?:would )?(?:limit|continue limiting|\*?stop limiting) "
    r"(?:[A-Za-z]{1,20} ){0,2}responses to [0-9A-Fa-f.:]{2,45}/\d{1,3}(?: for \S{1,255})?)"
)
_MODSEC_2: Final = {
    name: re.compile(rf'\[{name} "([^"]{{1,{length}}})"\]')
    for name, length in (("id", 12), ("msg", MAX_TEXT), ("severity", 12))
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One line, or one message of it."""

    key: tuple[str, ...]
    """Lines with the same key are one record."""
    record: Mapping[str, Any]


def nginx(line: str) -> Iterator[Seen]:
    """`limit_req` in the error log, for each zone and name of a server."""
    match = _NGINX.search(line)
    if match is None:
        return
    # The client writes the request line, which may have a `host` too; the last one is nginx's.
    hosts = [_clean(host, MAX_HOST) for host in _NGINX_HOST.findall(line)][-1:]
    servers = _NGINX_SERVER.findall(line[match.end() :])[:1]
    named = f', host: "{hosts[0]}"' if hosts else "".join(f", server: {one}" for one in servers)
    yield Seen((match["what"], match["zone"], named), {"message": _clean(match[0]) + named})


def bind(line: str) -> Iterator[Seen]:
    """Response rate limiting, for each step of each limit."""
    match = _BIND.search(line)
    if match is not None:
        said = _clean(match[1], MAX_TEXT + MAX_HOST)
        yield Seen((said,), {"message": said})


def modsec(line: str) -> Iterator[Seen]:
    """The audit log in JSON of version 2 or 3, for each rule and name of a server."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return
    transaction = _object(record, "transaction")
    old = _object(record, "audit_data")
    request = _object(record if old else transaction, "request")
    host = _clean(_host(_object(request, "headers")), MAX_HOST)
    for rule, message, severity in _rules_2(old) if old else _rules_3(transaction):
        said = {"message": message, "details": {"ruleId": rule, "severity": severity}}
        request_sent = {"headers": {"Host": host}}
        sent = {"transaction": {"request": request_sent, "messages": [said]}}
        yield Seen((host, rule, message, severity), sent)


SOURCES: Final[Mapping[str, Callable[[str], Iterator[Seen]]]] = {
    "nginx": nginx,
    "modsec": modsec,
    "bind": bind,
}


def _rules_3(transaction: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for message in _list(transaction, "messages"):
        details = _object(message, "details")
        rule, severity = (str(details.get(name, "")) for name in ("ruleId", "severity"))
        text = message.get("message", "") if isinstance(message, dict) else ""
        yield _clean(rule, 12), _clean(str(text)), _clean(severity, 12)


def _rules_2(audit: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for text in _list(audit, "messages"):
        matches = {name: one.search(str(text)) for name, one in _MODSEC_2.items()}
        rule, message, severity = (match[1] if match else "" for match in matches.values())
        yield _clean(rule), _clean(message), _clean(severity)


def _host(headers: Mapping[str, Any]) -> str:
    return next((str(value) for name, value in headers.items() if name.lower() == "host"), "")


def _object(value: object, name: str) -> dict[str, Any]:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    inner = value.get(name)
    return inner if isinstance(inner, list) else []


def _clean(text: str, most: int = MAX_TEXT) -> str:
    """Printable, and at most so long."""
    return "".join(one if one.isprintable() else "?" for one in text[:most])

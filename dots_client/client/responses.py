"""Turn a server's response into a value or an error (RFC 9132 section 9).

Tolerant on purpose: deployed servers label CBOR as text, send `null` for an empty body, and repeat
options of the request.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import aiocoap

from dots_client.codec import decode_mitigations, decode_redirect
from dots_client.codec.keys import UINT32
from dots_client.errors import (
    Conflicted,
    DecodeError,
    FiltersFailed,
    HopLimitReached,
    Redirected,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
    UnexpectedAnswer,
)
from dots_client.model import MitigationReport
from dots_client.session.configuration import DEFAULT_MAX_AGE_S
from dots_client.text import clean_text
from dots_client.transport.coap import dotted

MAX_GATEWAYS: Final = 32

_CONFLICT: Final = "4.09"
_TOO_MANY_REQUESTS: Final = "4.29"
_UNAVAILABLE: Final = "5.03"
_HOP_LIMIT_REACHED: Final = "5.08"
"""A loop of gateways (RFC 8768): final, as a 4.xx is."""


_INTERIM: Final = "2.31"
"""Continue (RFC 7959 section 2.9.1): the server waits for more blocks and has not acted yet."""
NOT_GRANTED: Final = frozenset({"2.02", "2.03"})
"""Successes that do not answer a PUT (RFC 7252 section 5.9.1)."""
NOT_WITHDRAWN: Final = frozenset({"2.01", "2.03"})
"""Successes that do not answer a DELETE."""


def raise_for(response: aiocoap.Message, *, unexpected: Collection[str] = ()) -> None:
    """Return on success, else raise the matching error.

    `unexpected`: codes of class 2 that are not a success here.

    An unknown code of class 2 means success (RFC 7252 section 5.2).
    """
    code = dotted(response.code)
    if response.code.is_successful():
        if code == _INTERIM or code in unexpected:
            raise UnexpectedAnswer(code)
        return
    if code == _CONFLICT:
        _raise_conflict(response)
    if code == _UNAVAILABLE:
        if (redirected := redirection_of(response)) is not None:
            raise redirected
        _raise_failed_filters(response)
    if code == _HOP_LIMIT_REACHED:
        raise HopLimitReached(_gateways_of(response))
    if code == _TOO_MANY_REQUESTS:
        raise Refused(code, diagnostic_of(response), retry_after_s=max_age_of(response))
    if code.startswith("4."):
        raise Refused(code, diagnostic_of(response))
    if code.startswith("5."):
        raise ServerUnavailable(code, diagnostic_of(response), retry_after_s=max_age_of(response))
    raise UnexpectedAnswer(code)


def granted_report(response: aiocoap.Message, mid: int) -> MitigationReport:
    """What the server granted. A body that cannot be read does not undo the acceptance."""
    try:
        reports = decode_mitigations(response.payload)
    except DecodeError:
        reports = ()
    return _about(mid, reports) or MitigationReport(mid=mid)


def reported_status(response: aiocoap.Message, mid: int) -> MitigationReport:
    """The server's report on one mitigation.

    RemoteProtocolError if it is missing or cannot be read.
    """
    report = _about(mid, all_reports(response))
    if report is None:
        raise RemoteProtocolError(f"the answer says nothing about mitigation {mid}")
    return report


def _about(mid: int, reports: Sequence[MitigationReport]) -> MitigationReport | None:
    """The report with this mid, or the only report if it has no mid."""
    for report in reports:
        if report.mid == mid:
            return report
    return reports[0] if len(reports) == 1 and reports[0].mid is None else None


def all_reports(response: aiocoap.Message) -> tuple[MitigationReport, ...]:
    try:
        return decode_mitigations(response.payload)
    except DecodeError as error:
        raise RemoteProtocolError(f"the answer cannot be read: {error}") from error


def max_age_of(response: aiocoap.Message) -> int:
    """Seconds, at most 2^32-1 (RFC 7252 section 5.10.5)."""
    max_age: int | None = response.opt.max_age
    return DEFAULT_MAX_AGE_S if max_age is None else min(max_age, UINT32)


def diagnostic_of(response: aiocoap.Message) -> str:
    """The diagnostic payload of an error (RFC 7252 section 5.5.2); empty for a body in CBOR."""
    try:
        return clean_text(response.payload.decode("utf-8"))
    except UnicodeDecodeError:
        return ""


def _raise_conflict(response: aiocoap.Message) -> None:
    try:
        reports = decode_mitigations(response.payload)
    except DecodeError:
        return
    for report in reports:
        if report.conflict is not None:
            raise Conflicted(report.conflict)


def redirection_of(response: aiocoap.Message) -> Redirected | None:
    """The redirection in a response or notification; None if there is none."""
    if dotted(response.code) != _UNAVAILABLE:
        return None
    try:
        redirect = decode_redirect(response.payload)
    except DecodeError:
        return None
    return Redirected(redirect, ttl_s=max_age_of(response))


def _gateways_of(response: aiocoap.Message) -> tuple[str, ...]:
    """Each gateway prepends its name and a space (RFC 8768 section 4)."""
    said = diagnostic_of(response)
    names = said.split()
    # If the text was cut, the last name is incomplete.
    is_cut = said.endswith("…") and len(names) > 1
    return tuple((names[:-1] if is_cut else names)[:MAX_GATEWAYS])


def _raise_failed_filters(response: aiocoap.Message) -> None:
    try:
        reports = decode_mitigations(response.payload)
    except DecodeError:
        return
    filters = tuple(control for report in reports for control in report.acl_list)
    if filters:
        raise FiltersFailed(filters, retry_after_s=max_age_of(response))

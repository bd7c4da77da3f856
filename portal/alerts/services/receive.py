"""A call of a detector: who calls, how much of it is saved, and the row that waits to be mapped."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import F

from portal.alerts.alert import UnmappableError
from portal.alerts.mapping import AlertSource, records_of
from portal.alerts.models import AlertEndpoint, AlertPayload
from portal.alerts.queries import enabled_endpoint
from portal.alerts.secret import DetectorCall, digest_of, is_signed, new_secret, shows_secret
from portal.core import secrets
from portal.core.body_limits import MAX_BODY_BYTES
from portal.core.errors import Invalid, NotSignedIn
from portal.core.throttle import Limit, count, spend, subject_of

RECORDS: Final = Limit(name="alert-records", tries=200, window_s=20, message="")
"""What one endpoint may save. More records are counted and not saved, because a refused call would
be sent again.
"""
BYTES_PER_RECORD: Final = 8192
"""A record that is larger counts as several."""
WRONG_SECRETS: Final = Limit(
    name="alert-secrets", tries=60, window_s=60, message="Too many wrong secrets from this address."
)
_GZIP: Final = 16 + zlib.MAX_WBITS
_DECOY: Final = digest_of(new_secret())
"""Compared when there is no such endpoint, which then takes the same time as a wrong secret."""


class PayloadTooLarge(Invalid):
    """More bytes than a payload may have, also after it was decompressed."""

    code = "body-too-large"
    http_status = 413
    title = "Request too large"


class WrongEncoding(Invalid):
    """A Content-Encoding that the portal does not read."""

    code = "unsupported-media-type"
    http_status = 415
    title = "Use gzip or no encoding"


class Unreadable(Invalid):
    """The payload as a whole; nothing of it is saved."""

    title = "This payload cannot be read"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a payload's records."""

    accepted: int
    "they wait to be mapped"
    over_limit: int
    "they were only counted"


def receive(*, endpoint_id: UUID, call: DetectorCall, address: str, now: datetime) -> Received:
    """Save what a detector sent; `map_waiting` reads it.

    :raises NotSignedIn: the same for an unknown or disabled endpoint and for a wrong secret.
    """
    endpoint = _endpoint_of(endpoint_id, call, now)
    if endpoint is None:
        count(WRONG_SECRETS, subject_of(address))
        raise NotSignedIn("No endpoint has this address and this secret.")
    return accept(endpoint, decompressed(call), now)


def accept(
    endpoint: AlertEndpoint, body: bytes, now: datetime, *, is_test: bool = False
) -> Received:
    """The part of `receive` after the check of the secret."""
    try:
        records = records_of(AlertSource(endpoint.source), body)
    except UnmappableError as error:
        AlertEndpoint.objects.filter(pk=endpoint.pk).update(
            unreadable=F("unreadable") + 1, unreadable_code=error.code, last_used_at=now
        )
        raise Unreadable(
            "It is not in the form that this endpoint's source sends. Nothing was saved.",
            code=error.code,
        ) from None
    cost = max(len(records), -(-len(body) // BYTES_PER_RECORD))
    granted = spend(RECORDS, str(endpoint.pk), cost)
    kept = len(records) if granted == cost else min(granted, len(records))
    if kept:
        AlertPayload.objects.create(
            organization_id=endpoint.organization_id,
            endpoint=endpoint,
            received_at=now,
            is_test=is_test,
            body=body if kept == len(records) else json.dumps(records[:kept]).encode(),
        )
    if kept < len(records):
        AlertEndpoint.objects.filter(pk=endpoint.pk).update(
            over_limit=F("over_limit") + len(records) - kept
        )
    return Received(accepted=kept, over_limit=len(records) - kept)


def decompressed(call: DetectorCall) -> bytes:
    """The body without its encoding, at most `MAX_BODY_BYTES`."""
    encoding = call.header("Content-Encoding").strip().lower()
    if encoding in ("", "identity"):
        body = call.body
    elif encoding in ("gzip", "x-gzip"):
        body = _gunzipped(call.body)
    else:
        raise WrongEncoding("The Content-Encoding must be gzip, or absent.")
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The payload is larger than {MAX_BODY_BYTES:,} bytes.")
    return body


def _gunzipped(body: bytes) -> bytes:
    """At most one byte more than `MAX_BODY_BYTES`, however much the body would become."""
    inflate = zlib.decompressobj(_GZIP)
    try:
        plain = inflate.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise Unreadable("The body is not gzip.", code="not-gzip") from None
    if len(plain) <= MAX_BODY_BYTES and (not inflate.eof or inflate.unused_data):
        raise Unreadable("The body is not one complete gzip member.", code="not-gzip")
    return plain


def _endpoint_of(endpoint_id: UUID, call: DetectorCall, now: datetime) -> AlertEndpoint | None:
    endpoint = enabled_endpoint(endpoint_id)
    if endpoint is None:
        shows_secret(call, [_DECOY, _DECOY])
        return None
    has_previous = endpoint.has_previous(now)
    if not endpoint.signature_header:
        previous = endpoint.previous_digest if has_previous else _DECOY
        return endpoint if shows_secret(call, [endpoint.digest, previous]) else None
    sealed = [endpoint.secret, endpoint.previous_secret if has_previous else None]
    known = is_signed(
        call,
        [secrets.decrypt(one) for one in sealed if one is not None],
        signature_header=endpoint.signature_header,
        timestamp_header=endpoint.timestamp_header,
        now=now,
    )
    return endpoint if known else None

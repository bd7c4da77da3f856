"""The body of every error that programs receive: application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NotRequired, TypedDict

from portal.core.errors import FieldError, Fix
from portal.core.metrics import ERRORS
from portal.core.targets import Targets

CONTENT_TYPE: Final = "application/problem+json"


class FixTargets(TypedDict):
    """Targets that replace the wrong ones, in the shape of a request."""

    prefixes: list[str]
    fqdns: list[str]
    uris: list[str]


class FixPorts(TypedDict):
    """A range of ports."""

    lower: int
    upper: int


class FixBody(TypedDict):
    """A correction that a program can insert."""

    label: str
    value: str
    targets: FixTargets
    ports: list[FixPorts]
    protocols: list[int]


class FieldErrorBody(TypedDict):
    """The error of one field."""

    field: str
    code: str
    message: str
    fixes: NotRequired[list[FixBody]]


class ProblemBody(TypedDict):
    """RFC 9457 section 3.1, with `code` and `errors`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldErrorBody]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error, for programs (`code`) and for people (`title`, `detail`)."""

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[FieldError] = ()

    def as_json(self) -> ProblemBody:
        return ProblemBody(
            type=f"urn:portal:problem:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            code=self.code,
            errors=[_error(error) for error in self.errors],
        )

    async def send(
        self, send: Callable[[Mapping[str, Any]], Awaitable[None]], *headers: tuple[bytes, bytes]
    ) -> None:
        """Answer an ASGI request with it."""
        ERRORS.labels(self.code).inc()
        every = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"cache-control", b"no-store"),
            *headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": every})
        await send({"type": "http.response.body", "body": json.dumps(self.as_json()).encode()})


def _error(error: FieldError) -> FieldErrorBody:
    found = FieldErrorBody(field=error.field, code=error.code, message=error.message)
    if error.fixes:
        found["fixes"] = [_fix(fix) for fix in error.fixes]
    return found


def _fix(fix: Fix) -> FixBody:
    """As lists in the shape of a request, so that a program can insert them."""
    used, targets = fix.suggestion, Targets.of(fix.suggestion.targets)
    return FixBody(
        label=fix.label,
        value=fix.value,
        targets=FixTargets(
            prefixes=list(map(str, targets.prefixes)),
            fqdns=list(targets.fqdns),
            uris=list(targets.uris),
        ),
        ports=[FixPorts(lower=one.lower, upper=one.upper) for one in used.ports],
        protocols=list(used.protocols),
    )

"""The body of every error that programs receive: application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from portal.core.errors import FieldError, Fix
from portal.core.targets import Kind

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error, for programs (`code`) and for people (`title`, `detail`)."""

    status: int
    code: str
    title: str
    detail: str
    errors: Sequence[FieldError] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "type": f"urn:portal:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [_error(error) for error in self.errors],
        }

    async def send(
        self, send: Callable[[Mapping[str, Any]], Awaitable[None]], *headers: tuple[bytes, bytes]
    ) -> None:
        """Answer an ASGI request with it."""
        every = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"cache-control", b"no-store"),
            *headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": every})
        await send({"type": "http.response.body", "body": json.dumps(self.as_json()).encode()})


def _error(error: FieldError) -> dict[str, Any]:
    found: dict[str, Any] = {"field": error.field, "code": error.code, "message": error.message}
    if error.fixes:
        found["fixes"] = [_fix(fix) for fix in error.fixes]
    return found


def _fix(fix: Fix) -> dict[str, Any]:
    """As lists in the shape of a request, so that a program can insert them."""
    used = fix.suggestion
    targets: dict[str, list[str]] = {"prefixes": [], "fqdns": [], "uris": []}
    for target in used.targets:
        targets[f"{target.kind}es" if target.kind == Kind.PREFIX else f"{target.kind}s"].append(
            target.value
        )
    return {
        "label": fix.label,
        "value": fix.value,
        "targets": targets,
        "ports": [{"lower": lower, "upper": upper} for lower, upper in used.ports],
        "protocols": list(used.protocols),
    }

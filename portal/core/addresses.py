"""The address of a caller."""

from __future__ import annotations

from typing import Any, Protocol


class _HasMeta(Protocol):
    META: dict[str, Any]


def address_of(request: _HasMeta) -> str:
    """The caller's IP address, which uvicorn takes from the proxy's headers.

    Empty behind a Unix socket.
    """
    return str(request.META.get("REMOTE_ADDR") or "")

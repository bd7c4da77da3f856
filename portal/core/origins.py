"""The portal's own address, for links in mail."""

from __future__ import annotations

from typing import Protocol


class _Request(Protocol):
    @property
    def scheme(self) -> str | None: ...
    def get_host(self) -> str: ...


def origin_of(request: _Request) -> str:
    """For example `https://portal.example`: as the caller knows it, among PORTAL_HOSTS."""
    return f"{request.scheme}://{request.get_host()}"

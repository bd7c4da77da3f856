"""The portal's own address, for links in mail."""

from __future__ import annotations

from typing import Protocol

from django.conf import settings


class Asked(Protocol):
    """A request of a page, or of the API."""

    @property
    def scheme(self) -> str | None: ...
    def get_host(self) -> str: ...


def origin_of(request: Asked) -> str:
    """For example `https://portal.example`: as the caller knows it, among PORTAL_HOSTS."""
    return f"{request.scheme}://{request.get_host()}"


def address_of_portal() -> str:
    """For links that no caller asked for: PORTAL_ADDRESS, else the first of PORTAL_ORIGINS, else
    the first host. For example `https://portal.example`.
    """
    if settings.PORTAL_ADDRESS:
        return str(settings.PORTAL_ADDRESS)
    if settings.CSRF_TRUSTED_ORIGINS:
        return str(settings.CSRF_TRUSTED_ORIGINS[0]).rstrip("/")
    hosts = [one.lstrip(".") for one in settings.ALLOWED_HOSTS if "*" not in one]
    scheme = "https" if settings.HTTPS else "http"
    return f"{scheme}://{hosts[0] if hosts else 'localhost'}"

"""Context for every page."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def installation(request: HttpRequest | None = None) -> dict[str, str]:
    return {
        "portal_name": settings.PORTAL_NAME,
        "emergency_phone": settings.PORTAL_EMERGENCY_PHONE,
    }

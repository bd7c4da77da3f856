"""Pages for what went wrong outside the portal's own errors: Django calls these by name."""

from __future__ import annotations

import logging
import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.core.errors import Invalid, NotAllowed, NotFound

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    error = Invalid("The portal could not read what the browser sent. Nothing was done.")
    return render(request, "error.html", {"error": error}, status=400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    error = NotAllowed("Your account may not open this page.")
    return render(request, "403.html", {"error": error}, status=403)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", {"error": NotFound()}, status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from a page that is too old, or from another site: nothing was done."""
    logger.warning("a form was refused at %s: %s", request.path, reason)
    return render(request, "csrf.html", {"back": request.get_full_path()}, status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs neither database nor session: they may be what failed."""
    reference = secrets.token_hex(3)
    logger.error("reference %s: %s failed", reference, request.path)
    context = {
        "reference": reference,
        "portal_name": settings.PORTAL_NAME,
        "emergency_phone": settings.PORTAL_EMERGENCY_PHONE,
    }
    # Without the request no context processor runs, so nothing is asked of the database.
    return render(None, "500.html", context, status=500)

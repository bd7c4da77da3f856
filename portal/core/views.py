"""Error pages for failures other than the portal's own errors. Django finds these views by name."""

from __future__ import annotations

import logging
import secrets
import sys

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.core import database
from portal.core.context_processors import installation
from portal.core.errors import PORTAL_FAILED, Invalid, NotAllowed, NotFound
from portal.core.metrics import ERRORS

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, SessionInterrupted) and _is_away_beneath(exception):
        return database_away(request)
    error = Invalid("The portal could not read what the browser sent. Nothing was done.")
    return render(request, "error.html", {"error": error}, status=400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    error = NotAllowed("Your account may not open this page.")
    return render(request, "403.html", {"error": error}, status=403)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", {"error": NotFound()}, status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For a form from an outdated page or from another site; nothing was done with it."""
    logger.warning("a form was refused at %s: %s", request.path, reason)
    return render(request, "csrf.html", {"back": request.get_full_path()}, status=403)


def database_away(request: HttpRequest) -> HttpResponse:
    """Makes no database query."""
    error = database.away_error()
    ERRORS.labels(error.code).inc()
    response = render(None, "503.html", {"error": error, **installation()}, status=503)
    response["Retry-After"] = str(error.retry_after_s)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Uses neither the database nor the session, since they may be what failed."""
    if database.is_away(sys.exception()):
        # The failure was outside a view, in a middleware that loads the session or the person.
        return database_away(request)
    ERRORS.labels(PORTAL_FAILED).inc()
    reference = secrets.token_hex(3)
    logger.error("reference %s: %s failed", reference, request.path)
    return render(None, "500.html", {"reference": reference, **installation()}, status=500)


def _is_away_beneath(error: BaseException | None) -> bool:
    """Looks at the causes of `error`, because Django treats a session that could not be saved as
    ended, whatever the database error.
    """
    while error is not None:
        if database.is_away(error):
            return True
        error = error.__context__
    return False

"""Error pages, the health check and headers of all responses."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from time import monotonic
from typing import Final

from csp.utils import build_policy
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render

from portal.core import views
from portal.core.database import is_away
from portal.core.errors import PortalError
from portal.core.metrics import ERRORS, HTTP_RESPONSES, HTTP_SECONDS
from portal.core.problem import CONTENT_TYPE, Problem

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]

HEALTH_PATH = "/healthz"
NO_STORE: Final = "no-store, private"
PERMISSIONS: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
    )
)
"""The portal uses none of these, and injected scripts must not either."""


DEBUG_PAGES: Final = (404, 500)
"""Statuses of Django's own pages for developers, which the policy would break."""

_CALLS: Final = re.compile(settings.CALLS)
_DOORS: Final = (("/api/", "api"), (settings.STATIC_URL, "static"), ("/admin/", "staff"))


class HealthCheck:
    """`/healthz`.

    Comes before host names, redirects and sessions, so that a load balancer can call it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path != HEALTH_PATH:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            return JsonResponse({"status": "no database"}, status=503)
        return JsonResponse({"status": "ok"})


class RefusePlainCalls:
    """Answers 403 to a call without TLS.

    SecurityMiddleware redirects pages. A program would follow a redirection too, and no one would
    notice that it sends its token in the clear each time.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_call = _CALLS.match(request.path.lstrip("/"))
        if not is_call or not settings.SECURE_SSL_REDIRECT or request.is_secure():
            return self.get_response(request)
        problem = Problem(
            status=403,
            code="tls-required",
            title="This call needs TLS",
            detail="Use https:// in the address. What this call sent may have been read by others.",
        )
        ERRORS.labels(problem.code).inc()
        return JsonResponse(problem.as_json(), status=problem.status, content_type=CONTENT_TYPE)


class Measured:
    """Counts responses and how long they took. Outside the other middlewares, so that it sees
    their responses too.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == HEALTH_PATH:
            return self.get_response(request)
        began = monotonic()
        response = self.get_response(request)
        door = _door(request.path)
        HTTP_SECONDS.labels(door).observe(monotonic() - began)
        HTTP_RESPONSES.labels(door, str(response.status_code)).inc()
        return response


def _door(path: str) -> str:
    return next((door for prefix, door in _DOORS if path.startswith(prefix)), "page")


class PrivateAnswers:
    """Headers that keep responses out of caches and other sites, limit what a page may load, and
    deny it the sensors of the device.

    The policy of a page is always the same, so it is built once (django-csp's own middleware builds
    it for every response).

    Static files keep the cache headers of whitenoise, since their names change with their content.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code in DEBUG_PAGES):
            response["Content-Security-Policy"] = self._policy
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response["Permissions-Policy"] = PERMISSIONS
        if not request.path.startswith(settings.STATIC_URL):
            response["Cache-Control"] = NO_STORE
        return response


class ErrorPages:
    """Renders the error page for a PortalError or a database that is away.

    The API has its own handler.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if is_away(error):
            logger.warning("the database is away: %s", error)
            return views.database_away(request)
        if not isinstance(error, PortalError):
            return None
        ERRORS.labels(error.code).inc()
        templates = [f"{error.http_status}.html", "error.html"]
        response = render(request, templates, {"error": error}, status=error.http_status)
        if error.retry_after_s:
            response["Retry-After"] = str(error.retry_after_s)
        return response

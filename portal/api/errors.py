"""Every error of the API as application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from portal.api.authentication import SCHEME
from portal.core.database import away_error, is_away
from portal.core.errors import PORTAL_FAILED, FieldError, Invalid, PortalError
from portal.core.metrics import ERRORS
from portal.core.problem import CONTENT_TYPE, Problem

logger = logging.getLogger(__name__)

MAX_NAMED_ERRORS: Final = 20

# Errors of Django REST framework, with our codes and sentences.
_WORDS: Final[dict[type[Exception], tuple[str, str, str]]] = {
    exceptions.ParseError: ("malformed", "This is not JSON", ""),
    exceptions.AuthenticationFailed: ("not-signed-in", "Sign in first", ""),
    exceptions.NotAuthenticated: (
        "not-signed-in",
        "Sign in first",
        "Send a token, or call from a page that is signed in.",
    ),
    exceptions.PermissionDenied: ("not-allowed", "This is not allowed", ""),
    PermissionDenied: ("not-allowed", "This is not allowed", "This is not allowed."),
    exceptions.NotFound: ("not-found", "Not found", ""),
    Http404: ("not-found", "Not found", "This does not exist, or it is not yours."),
    exceptions.MethodNotAllowed: ("method-not-allowed", "Method not allowed", ""),
    exceptions.NotAcceptable: ("not-acceptable", "Response format not available", ""),
    exceptions.UnsupportedMediaType: ("unsupported-media-type", "Send JSON", ""),
    SuspiciousOperation: ("malformed", "Unreadable request", "This request cannot be read."),
}
_STATUS: Final[dict[type[Exception], int]] = {
    PermissionDenied: 403,
    Http404: 404,
    SuspiciousOperation: 400,
}


class BodyTooLarge(exceptions.APIException):
    """More bytes than any call of the API needs."""

    status_code = 413
    default_code = "body-too-large"


def problem_response(error: Exception, context: dict[str, Any]) -> Response:
    """The framework's exception handler: every error leaves the API in this form."""
    if isinstance(error, exceptions.ValidationError):
        found = list(islice(_flatten(error.detail), MAX_NAMED_ERRORS))
        error = Invalid("Nothing was changed. Correct the fields listed in errors.", errors=found)
    if is_away(error):
        logger.warning("the database is away: %s", error)
        error = away_error()
    if isinstance(error, PortalError):
        response = _problem(
            error.http_status, error.code, error.title, error.message, errors=error.errors
        )
        response.data.update(error.members)
        if error.retry_after_s:
            response["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, BodyTooLarge):
        response = _problem(413, error.default_code, "Request too large", str(error.detail))
    else:
        response = _from_framework(error)
    if response.status_code == 401:
        response["WWW-Authenticate"] = SCHEME
    return response


def _from_framework(error: Exception) -> Response:
    for kind, (code, title, words) in _WORDS.items():
        if isinstance(error, kind):
            status = _STATUS[kind] if kind in _STATUS else int(getattr(error, "status_code", 400))
            detail = words or str(getattr(error, "detail", error))
            return _problem(status, code, title, detail)
    # Logged in full, under the reference that the caller gets.
    reference = secrets.token_hex(3)
    logger.error("reference %s", reference, exc_info=error)
    response = _problem(
        500,
        PORTAL_FAILED,
        "The portal failed",
        f"The portal failed to do this. Live requests continue. Reference {reference}.",
    )
    response.data["reference"] = reference
    return response


def _problem(
    status: int, code: str, title: str, detail: str, *, errors: Sequence[FieldError] = ()
) -> Response:
    ERRORS.labels(code).inc()
    problem = Problem(status=status, code=code, title=title, detail=detail, errors=errors)
    return Response(problem.as_json(), status=status, content_type=CONTENT_TYPE)


def _flatten(detail: Any, path: str = "") -> Iterator[FieldError]:
    """A generator: a caller that needs only the first few pays for those."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(inner, ".".join(filter(None, [path, name])))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flatten(inner, path)
    else:
        yield FieldError(path, str(detail.code), str(detail))

"""Values in the query string of a call."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from portal.core.errors import Invalid


def time_parameter(request: Request, name: str) -> datetime | None:
    """A time with its zone; None if the call does not name one. Raises Invalid for other text."""
    value = request.query_params.get(name)
    if value is None:
        return None
    try:
        at = parse_datetime(value)
        if at is not None and at.utcoffset() is not None:
            return at.astimezone(timezone.get_default_timezone())
    except (ValueError, OverflowError):
        pass
    message = f"{name} must be a time with its zone, such as 2026-11-29T03:00:00Z."
    raise Invalid.at(name, "not-a-time", message)

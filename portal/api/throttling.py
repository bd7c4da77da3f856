"""Rate limits of calls. Terminating is exempt: its view has no throttle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from portal.core.addresses import address_of
from portal.core.throttle import Limit, count, subject_of

if TYPE_CHECKING:
    # The framework's views import this module.
    from rest_framework.views import APIView

CALLS_PER_PERSON: Final = Limit(
    name="api-person", tries=600, window_s=60, message="You have made too many requests."
)
CALLS_PER_ADDRESS: Final = Limit(
    name="api-address", tries=120, window_s=60, message="Too many requests from this address."
)


class CallsPerPerson(BaseThrottle):
    """Per person; per address for anonymous calls."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated:
            count(CALLS_PER_PERSON, str(request.user.pk))
        else:
            count(CALLS_PER_ADDRESS, subject_of(address_of(request)))
        return True

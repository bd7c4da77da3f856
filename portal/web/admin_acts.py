"""What admins do with a button of a page, which then says what happened, or why nothing did."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from portal.core.errors import Conflict, Invalid, NotFound, Throttled, Unavailable
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor

REFUSALS: Final = (Conflict, Invalid, NotFound, Throttled, Unavailable)
Found = TypeVar("Found")
Act = Callable[[HttpRequest, Membership, Found], str]
"""Does something with what was found, and returns what the page then says; empty: nothing."""


def admin_act(
    find: Callable[[Organization, UUID], Found], back: str, *, of_all: bool = False
) -> Callable[[Act[Found]], Callable[..., HttpResponse]]:
    """Makes the view of an act on what `find` finds.

    `back`: the route of the page. `of_all`: it shows all, not this one.
    """

    def decorate(act: Act[Found]) -> Callable[..., HttpResponse]:
        @require_POST
        @wraps(act)
        def view(request: HttpRequest, slug: str, **ids: UUID) -> HttpResponse:
            membership = member_of(request, slug, Role.ADMIN)
            found = find(membership.organization, *ids.values())
            require_fresh_factor(request)
            try:
                if said := act(request, membership, found):
                    messages.info(request, said)
            except REFUSALS as error:
                messages.warning(request, error.message)
            return redirect(back, slug, *(() if of_all else ids.values()))

        return view

    return decorate

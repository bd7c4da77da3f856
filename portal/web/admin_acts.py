"""What admins do with a button of a page, which then says what happened, or why nothing did."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from portal.core.errors import Conflict, Invalid, NotFound, Throttled, Unavailable
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.frame import Frame, frame
from portal.web.rendering import Page, render_page

REFUSALS: Final = (Conflict, Invalid, NotFound, Throttled, Unavailable)
Found = TypeVar("Found")
Act = Callable[[HttpRequest, Membership, Found], str | Page]
"""Does something with what was found, and returns what the page then says (empty: nothing), or
another page as the answer.
"""


def admin_act(
    find: Callable[[Organization, UUID], Found],
    back: str,
    *,
    of_all: bool = False,
    ask: Callable[[Frame, Found], Page] | None = None,
) -> Callable[[Act[Found]], Callable[..., HttpResponse]]:
    """Makes the view of an act on what `find` finds.

    `back`: the route of the page. `of_all`: it shows all, not this one. `ask`: makes the page of
    the question before the act.
    """

    def decorate(act: Act[Found]) -> Callable[..., HttpResponse]:
        @require_http_methods(["GET", "POST"] if ask else ["POST"])
        @wraps(act)
        def view(request: HttpRequest, slug: str, **ids: UUID) -> HttpResponse:
            membership = member_of(request, slug, Role.ADMIN)
            found = find(membership.organization, *ids.values())
            if ask and request.method == "GET":
                return render_page(request, ask(frame(membership, timezone.now()), found))
            require_fresh_factor(request)
            try:
                done = act(request, membership, found)
            except REFUSALS as error:
                messages.warning(request, error.message)
            else:
                if isinstance(done, Page):
                    return render_page(request, done)
                if done:
                    messages.info(request, done)
            return redirect(back, slug, *(() if of_all else ids.values()))

        return view

    return decorate

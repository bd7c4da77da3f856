"""Write a note on a request, and take it over."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import actor_of
from portal.accounts.services import MAX_USERNAME_LENGTH
from portal.core.errors import Conflict, IdempotencyKeyReused, Invalid, PortalError, Throttled
from portal.core.formatting import listed
from portal.mitigations import services
from portal.mitigations.access import request_for
from portal.organizations.models import Organization, Role
from portal.organizations.request_context import member_of
from portal.web.accounts import typed
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.requests.note_form import NoteForm
from portal.web.requests.request_page import request_page

NEWEST = "#p-time"
"""Where the page shows the newest notes."""
MAX_UNKNOWN: Final = 5
"""Names that the page says are unknown."""


@require_http_methods(["GET", "POST"])
def notes(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    """The page of the request, with the form as it was typed."""
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    found = request_for(membership, request_id)
    if request.method == "GET":
        kept = typed.take(request)
        form = NoteForm.typed(kept) if kept else NoteForm.new()
        return render_page(request, request_page(start, found, request.GET, note=form))
    form = NoteForm.typed(request.POST)
    try:
        services.add_note(
            organization=membership.organization,
            request_id=found.pk,
            actor=actor_of(request),
            text=form.text,
            key=form.key,
        )
    except IdempotencyKeyReused as error:
        # Another note was written in the same form, on a page from the browser's history.
        return _refused(request, form.refused(error, key=str(uuid4())), error, slug, request_id)
    except (Invalid, Throttled, Conflict) as error:
        return _refused(request, form.refused(error), error, slug, request_id)
    messages.info(request, f"Your note is saved.{_unknown(membership.organization, form.text)}")
    return redirect(f"{found.get_absolute_url()}{NEWEST}")


def _unknown(organization: Organization, text: str) -> str:
    """Which names with an @ mention no one, so that a typing error is seen."""
    unknown = services.unknown_names(organization, text)
    names = [f"@{one}" for one in unknown if len(one) <= MAX_USERNAME_LENGTH][:MAX_UNKNOWN]
    if not names:
        return ""
    are = "is no member" if len(names) == 1 else "are no members"
    return f" {listed(names)} {are} of {organization.name}, and got no notice."


def _refused(
    request: HttpRequest, form: NoteForm, error: PortalError, slug: str, request_id: UUID
) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    page = request_page(start, request_for(membership, request_id), request.GET, note=form)
    return render_page(request, page, status=error.http_status)


@require_POST
def take_over(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    found = request_for(member_of(request, slug, Role.OPERATOR), request_id)
    services.take_over(request_id=found.pk, actor=actor_of(request))
    messages.info(request, "You are responsible for this request now.")
    return redirect(f"{found.get_absolute_url()}#h")

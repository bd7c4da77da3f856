"""The previews of a new request and of an extension."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from portal.core.errors import Conflict, Invalid
from portal.mitigations.access import request_for
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.signaling.previews.extension_messages import extension as extension_of
from portal.signaling.previews.preview_messages import preview as preview_of
from portal.web.accounts import typed
from portal.web.rendering import render_page
from portal.web.requests.extension_page import extension_page, first_choice
from portal.web.requests.form_page import form_page, with_all_errors
from portal.web.requests.preview_page import preview_page
from portal.web.requests.request_form import RequestForm, typed_lifetime


@require_http_methods(["GET", "POST"])
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    if request.method == "GET":
        return redirect("requests:new", slug=slug)
    form = RequestForm.typed(request.POST)
    submission, unread = form.submission()
    if unread:
        return _refused(request, membership, form)
    try:
        found = preview_of(membership.organization, submission)
    except Invalid:
        return _refused(request, membership, form)
    return render_page(request, preview_page(membership, form, found, timezone.now()))


def _refused(request: HttpRequest, membership: Membership, form: RequestForm) -> HttpResponse:
    """The form with every error, as sending it would show."""
    wrong = with_all_errors(membership.organization, form)
    page = form_page(membership, wrong, timezone.now(), is_refused=True)
    return render_page(request, page, status=400)


@require_safe
def extension(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    mitigation_request = request_for(membership, request_id)
    chosen = (typed.take(request) or request.GET).get("lifetime")
    try:
        found = extension_of(
            mitigation_request,
            first_choice(mitigation_request) if chosen is None else typed_lifetime(chosen),
        )
    except (Conflict, Invalid) as error:
        messages.warning(request, error.errors[0].message if error.errors else error.message)
        return redirect(f"{mitigation_request.get_absolute_url()}#h")
    page = extension_page(membership, mitigation_request, found, timezone.now())
    return render_page(request, page)

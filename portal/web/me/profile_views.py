"""Changing what one is called, and the time zone."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import services
from portal.accounts.access import person_of
from portal.core.errors import Invalid
from portal.web.me.profile_page import profile_page
from portal.web.rendering import render_page


@require_safe
def me(request: HttpRequest) -> HttpResponse:
    return redirect("me:profile")


@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    if request.method == "GET":
        return render_page(request, profile_page(person))
    typed = {name: request.POST.get(name, "") for name in ("display_name", "time_zone")}
    try:
        services.change_profile(user=person, **typed)
    except Invalid as error:
        errors = {one.field: one.message for one in error.errors}
        page = profile_page(person, errors=errors, **typed)
        return render_page(request, page, status=error.http_status)
    messages.info(request, "Your profile is saved.")
    return redirect("me:profile")

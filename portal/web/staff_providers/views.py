"""The portal's list of providers, for its staff."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts.access import actor_of, person_of
from portal.core.errors import NotFound
from portal.providers import known
from portal.providers.forms import ProviderForm
from portal.providers.models import Provider
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.staff_providers.page import known_provider_page, known_providers_page


@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    known.MAY_CHANGE.require(person_of(request))
    return render_page(request, known_providers_page())


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    known.MAY_CHANGE.require(person_of(request))
    return _form(request, None)


@require_http_methods(["GET", "POST"])
def provider(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    known.MAY_CHANGE.require(person_of(request))
    found = Provider.objects.filter(pk=provider_id).first()
    if found is None:
        raise NotFound
    return _form(request, found)


def _form(request: HttpRequest, found: Provider | None) -> HttpResponse:
    if request.method == "GET":
        return render_page(request, known_provider_page(ProviderForm(instance=found)))
    require_fresh_factor(request)
    form = ProviderForm(request.POST, instance=found)
    if not form.is_valid():
        return render_page(request, known_provider_page(form), status=400)
    saved = known.save_provider(form, actor=actor_of(request))
    messages.info(request, f"{saved.name} is saved. Its customers’ connections try what changed.")
    return redirect("staff-providers:providers")

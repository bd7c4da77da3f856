"""The page of the policy."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from portal.accounts.access import actor_of
from portal.core.errors import Invalid
from portal.organizations.models import Role
from portal.organizations.policy import PolicyValues, change_policy
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.settings.policy_page import policy_page, typed_form, values_of


@require_http_methods(["GET", "POST"])
def policy(request: HttpRequest, slug: str) -> HttpResponse:
    if request.method == "GET":
        return render_page(request, policy_page(frame(member_of(request, slug), timezone.now())))
    membership = member_of(request, slug, Role.ADMIN)
    require_fresh_factor(request)
    form = typed_form(request.POST, PolicyValues.of(membership.organization))
    values, errors = values_of(form)
    if values is not None:
        try:
            change_policy(
                organization_id=membership.organization_id, actor=actor_of(request), values=values
            )
        except Invalid as error:
            errors = list(error.errors)
        else:
            messages.info(request, "The policy is saved, and applies from now.")
            return redirect("settings:policy", slug=slug)
    page = policy_page(frame(membership, timezone.now()), replace(form, errors=errors))
    return render_page(request, page, status=400)

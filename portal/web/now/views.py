"""The first page of an organization."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.organizations.queries import memberships
from portal.organizations.request_context import member_of, person_of
from portal.web.now.page import now_page
from portal.web.rendering import render_shared


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    if person.may_act is not None:
        return redirect("now:now", slug=person.may_act.slug)
    first = memberships(person).first()
    if first is None and person.is_staff:
        return redirect("staff-pages:organizations")
    if first is None:
        return render(request, "now/nowhere.html")
    return redirect("now:now", slug=first.organization.slug)


@require_safe
def now(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug)
    order = request.GET.get("order", "")
    return render_shared(
        request, membership, lambda: now_page(membership, timezone.now(), order=order)
    )

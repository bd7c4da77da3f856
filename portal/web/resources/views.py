"""The pages of resources."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.actors import Actor
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, Throttled
from portal.core.targets import shown
from portal.organizations import services as organizations
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.ownership import services
from portal.ownership.queries import resource_of
from portal.ownership.states import ProofMethod
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.resources.pages import remove_page, resource_page, resources_page
from portal.web.resources.resource_form import ResourceForm


def resources(request: HttpRequest, slug: str) -> HttpResponse:
    """All of them; a POST adds one."""
    if request.method == "POST":
        return _add(request, member_of(request, slug, Role.OPERATOR))
    return _list(request, member_of(request, slug), ResourceForm())


@require_safe
def _list(request: HttpRequest, membership: Membership, form: ResourceForm) -> HttpResponse:
    return render_page(request, resources_page(frame(membership, timezone.now()), form))


def _add(request: HttpRequest, membership: Membership) -> HttpResponse:
    form = ResourceForm.typed(request.POST)
    try:
        if problems := form.problems():
            raise Invalid("Nothing was saved.", errors=problems)
        added = organizations.add_resource(
            organization=membership.organization,
            actor=Actor.person(membership.user),
            name=form.name,
            kind=form.kind,
            value=form.value,
        )
    except Invalid as error:
        page = resources_page(frame(membership, timezone.now()), form.with_errors(error.errors))
        return render_page(request, page, status=error.http_status)
    except Conflict as error:
        messages.warning(request, error.message)
        return redirect("resources:resources", slug=membership.organization.slug)
    messages.info(request, f"{shown(added.name)} was added. Now show that it is yours.")
    return redirect("resources:resource", slug=membership.organization.slug, resource_id=added.pk)


@require_safe
def resource(request: HttpRequest, slug: str, resource_id: UUID) -> HttpResponse:
    membership = member_of(request, slug)
    found = resource_of(membership.organization, resource_id)
    return render_page(request, resource_page(frame(membership, timezone.now()), found))


@require_POST
def check(request: HttpRequest, slug: str, resource_id: UUID) -> HttpResponse:
    """Look for the proof now, or ask portal staff."""
    membership = member_of(request, slug, Role.OPERATOR)
    found = resource_of(membership.organization, resource_id)
    method = request.POST.get("method", "")
    try:
        if method not in list(ProofMethod):
            raise Invalid("Choose how it should be checked.")
        services.ask_check(resource=found, method=ProofMethod(method), actor=membership.user)
    except (Conflict, Invalid, Throttled) as error:
        messages.warning(request, error.message)
    return redirect("resources:resource", slug=slug, resource_id=resource_id)


@require_POST
def rename(request: HttpRequest, slug: str, resource_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    found = resource_of(membership.organization, resource_id)
    form = ResourceForm.typed(request.POST)
    try:
        if problems := form.problems():
            raise Invalid("Nothing was saved.", errors=problems)
        services.rename_resource(resource=found, actor=membership.user, name=form.name)
    except Invalid as error:
        wrong = [one.message for one in error.errors if one.field == "name"]
        page = resource_page(
            frame(membership, timezone.now()),
            found,
            name=form.name,
            name_error=wrong[0],
        )
        return render_page(request, page, status=error.http_status)
    return redirect("resources:resource", slug=slug, resource_id=resource_id)


def remove(request: HttpRequest, slug: str, resource_id: UUID) -> HttpResponse:
    """The question, and the act."""
    membership = member_of(request, slug, Role.ADMIN)
    found = resource_of(membership.organization, resource_id)
    if request.method != "POST":
        return _ask_removal(request, membership, resource_id)
    try:
        services.remove_resource(resource=found, actor=membership.user, address=address_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
        return redirect("resources:resource", slug=slug, resource_id=resource_id)
    messages.info(request, f"{shown(found.name)} was removed.")
    return redirect("resources:resources", slug=slug)


@require_safe
def _ask_removal(request: HttpRequest, membership: Membership, resource_id: UUID) -> HttpResponse:
    found = resource_of(membership.organization, resource_id)
    return render_page(request, remove_page(frame(membership, timezone.now()), found))

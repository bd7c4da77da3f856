"""The pages of an organization's connections with providers: parse, one access call, one service
call, render.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of
from portal.connections import services, uploads
from portal.core.errors import Conflict, Invalid, NotFound, SecretUnreadable, Throttled
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.providers import queries
from portal.providers.models import Provider, Subscription
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.admin_acts import admin_act
from portal.web.connections.forms import (
    UploadForm,
    needs_code,
    require_fresh_factor_here,
    uploaded,
)
from portal.web.connections.pages import disconnect_page, provider_page, providers_page
from portal.web.frame import frame
from portal.web.rendering import render_page

Refusal = (Conflict, Invalid, SecretUnreadable, Throttled)


@require_safe
def providers(request: HttpRequest, slug: str) -> HttpResponse:
    return render_page(request, providers_page(frame(member_of(request, slug), timezone.now())))


@require_safe
def provider(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    membership = member_of(request, slug)
    found = services.provider_for(membership.organization, provider_id)
    start = frame(membership, timezone.now())
    return render_page(request, provider_page(start, found, needs_code=needs_code(request)))


@admin_act(services.provider_for, "connections:provider")
def make_key(request: HttpRequest, membership: Membership, found: Provider) -> str:
    services.make_key(organization=membership.organization, provider=found, actor=actor_of(request))
    return "The key was made. Send the request below to the provider, to sign it."


@admin_act(services.provider_for, "connections:provider")
def discard_key(request: HttpRequest, membership: Membership, found: Provider) -> str:
    services.discard_key(
        organization=membership.organization, provider=found, actor=actor_of(request)
    )
    return "The key was discarded."


@require_safe
def signing_request(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """The CSR as a file."""
    membership = member_of(request, slug, Role.ADMIN)
    found = services.provider_for(membership.organization, provider_id)
    waiting = services.waiting_key(membership.organization, found)
    if waiting is None or not waiting.signing_request:
        raise NotFound
    answer = HttpResponse(waiting.signing_request, content_type="application/pkcs10")
    name = f"{membership.organization.slug}-{provider_id.hex[:8]}.csr"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@require_POST
def certificate(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """The certificate that the provider signed for the key made here."""

    def act(membership: Membership, found: Provider) -> Subscription:
        return services.add_certificate(
            organization=membership.organization,
            provider=found,
            certificate=uploads.checked_certificate(uploaded(request, "certificate_chain")),
            actor=actor_of(request),
        )

    return _upload(request, slug, provider_id, "certificate", act)


@require_POST
def files(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """A key and its certificate in PEM."""

    def act(membership: Membership, found: Provider) -> Subscription:
        return services.add_identity(
            organization=membership.organization,
            provider=found,
            identity=uploads.from_pem(
                uploaded(request, "certificate_chain"), uploaded(request, "private_key")
            ),
            actor=actor_of(request),
        )

    return _upload(request, slug, provider_id, "files", act)


@require_POST
def pkcs12(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """Both in one file."""

    def act(membership: Membership, found: Provider) -> Subscription:
        return services.add_identity(
            organization=membership.organization,
            provider=found,
            identity=uploads.from_pkcs12(
                uploaded(request, "pkcs12"), request.POST.get("password", "")
            ),
            actor=actor_of(request),
        )

    return _upload(request, slug, provider_id, "pkcs12", act)


@admin_act(services.provider_for, "connections:provider")
def use(request: HttpRequest, membership: Membership, found: Provider) -> str:
    """Switch to the certificate that waits, without a passed test."""
    services.switch_identity(
        subscription=_own(membership, found), key_id=None, actor=actor_of(request)
    )
    return "The new certificate is in use. The current connection stays until it works."


@admin_act(services.provider_for, "connections:provider")
def test(request: HttpRequest, membership: Membership, found: Provider) -> str:
    services.ask_test(subscription=_own(membership, found), actor=actor_of(request))
    return ""


@admin_act(services.provider_for, "connections:providers", of_all=True)
def move(request: HttpRequest, membership: Membership, found: Provider) -> str:
    is_up = request.POST.get("to") == "up"
    services.move(subscription=_own(membership, found), is_up=is_up, actor=actor_of(request))
    return f"{found.name} is now asked {'earlier' if is_up else 'later'}."


@admin_act(services.provider_for, "connections:provider")
def asked(request: HttpRequest, membership: Membership, found: Provider) -> str:
    is_asked = request.POST.get("asked") == "yes"
    services.set_asked(
        subscription=_own(membership, found), is_asked=is_asked, actor=actor_of(request)
    )
    return f"New requests {'ask' if is_asked else 'do not ask'} {found.name}."


@require_http_methods(["GET", "POST"])
def disconnect(request: HttpRequest, slug: str, provider_id: UUID) -> HttpResponse:
    """The question, and the act."""
    membership = member_of(request, slug, Role.ADMIN)
    found = services.provider_for(membership.organization, provider_id)
    own = _own(membership, found)
    if request.method == "GET":
        return render_page(request, disconnect_page(frame(membership, timezone.now()), own))
    require_fresh_factor(request)
    try:
        services.disconnect(subscription=own, actor=actor_of(request))
    except Conflict as error:
        page = disconnect_page(frame(membership, timezone.now()), own)
        return render_page(request, page, status=error.http_status)
    messages.info(request, f"{found.name} is disconnected.")
    return redirect("connections:providers", slug=slug)


def _upload(
    request: HttpRequest,
    slug: str,
    provider_id: UUID,
    sent: str,
    act: Callable[[Membership, Provider], Subscription],
) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    found = services.provider_for(membership.organization, provider_id)
    try:
        require_fresh_factor_here(request)
        own = act(membership, found)
    except Refusal as error:
        page = provider_page(
            frame(membership, timezone.now()),
            found,
            form=UploadForm.refused(sent, error),
            needs_code=needs_code(request),
        )
        return render_page(request, page, status=error.http_status)
    messages.info(request, _tested(own, request))
    return redirect("connections:provider", slug=slug, provider_id=provider_id)


def _tested(own: Subscription, request: HttpRequest) -> str:
    """Test the saved certificate at once."""
    try:
        services.ask_test(subscription=own, actor=actor_of(request))
    except Refusal as error:
        return f"The certificate was saved. It was not tested: {error.message}"
    return "The certificate was saved. The portal is testing the connection with it."


def _own(membership: Membership, found: Provider) -> Subscription:
    own = queries.connected(membership.organization).filter(provider=found).first()
    if own is None:
        raise NotFound(f"{found.name} is not connected.")
    return own

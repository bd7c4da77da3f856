"""The pages of requests: parse, one access call, one service or query call, render."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of
from portal.accounts.actors import Actor
from portal.core.errors import Conflict, IdempotencyKeyReused, Invalid
from portal.mitigations import export, services
from portal.mitigations.access import request_for
from portal.mitigations.consent import WouldReplace
from portal.mitigations.models import MitigationRequest
from portal.mitigations.quota import QuotaExceeded
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.organizations.suspension import OrganizationSuspended
from portal.web.accounts import typed
from portal.web.frame import frame
from portal.web.rendering import names_of_parts, render_page, render_shared
from portal.web.requests.ended import seen_at, seen_ends
from portal.web.requests.form_page import (
    FormCheck,
    form_page,
    fresh_form,
    used_again,
    with_all_errors,
)
from portal.web.requests.list_page import Filter, list_page, matching
from portal.web.requests.overlaps import consent_of
from portal.web.requests.questions import ask_page, terminate_page, withdraw_page
from portal.web.requests.report import ReportPage, ReportText, report_page
from portal.web.requests.request_form import RequestForm, typed_id, typed_lifetime
from portal.web.requests.request_page import ChartPage, RequestPage, chart_page, request_page
from portal.web.requests.shared import subscriptions

ENTER: Final = "enter"
"""The value that Enter in a field of a form sends without a script, so that no half-filled form
goes to providers.
"""
NOT_SENT_YET: Final = "Nothing has been sent. Check the form, then press the button."
MAX_SHOWN: Final = 500
"""Characters of a list's filter that a button returns to."""


@require_safe
def requests(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug)
    return render_page(request, list_page(membership, timezone.now(), request.GET))


@require_safe
def requests_csv(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    return export.csv_file(_matching(request, slug), slug)


@require_safe
def requests_json(request: HttpRequest, slug: str) -> StreamingHttpResponse:
    return export.json_file(_matching(request, slug), slug)


def _matching(request: HttpRequest, slug: str) -> QuerySet[MitigationRequest]:
    """What the list shows with the same query string, on all of its pages."""
    organization = member_of(request, slug).organization
    return matching(
        organization, Filter.read(request.GET), subscriptions(organization), timezone.now()
    )


@require_safe
def show(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    membership = member_of(request, slug)
    page = chart_page if names_of_parts(request) == ["chart"] else request_page

    def read() -> RequestPage | ChartPage:
        start = frame(membership, timezone.now())
        return page(start, request_for(membership, request_id), request.GET)

    return render_shared(request, membership, read)


@require_safe
def report(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    return render_page(request, _report(request, slug, request_id, ReportPage))


@require_safe
def report_text(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    page = _report(request, slug, request_id, ReportText)
    answer = render_page(request, page)
    answer["Content-Type"] = "text/plain; charset=utf-8"
    answer["Content-Disposition"] = f'attachment; filename="request-{page.request_.number}.txt"'
    return answer


def _report(
    request: HttpRequest, slug: str, request_id: UUID, kind: type[ReportPage]
) -> ReportPage:
    membership = member_of(request, slug)
    start = frame(membership, timezone.now())
    return report_page(start, request_for(membership, request_id), kind)


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    if request.method == "GET":
        if kept := typed.take(request):
            return _form(request, membership, _checked(membership, RequestForm.typed(kept)))
        return _form(request, membership, fresh_form(membership.organization, request.GET))
    form = RequestForm.typed(request.POST)
    if "fix" in request.POST:
        return _form(request, membership, _checked(membership, form.fixed(request.POST["fix"])))
    if "change" in request.POST:
        if request.POST["change"] == ENTER:
            messages.info(request, NOT_SENT_YET)
        return _form(request, membership, _checked(membership, form))
    if "check" in request.POST:
        checked = _checked(membership, form)
        return render_page(request, form_page(membership, checked, timezone.now(), kind=FormCheck))
    return _send(request, membership, form)


def _form(
    request: HttpRequest, membership: Membership, form: RequestForm, status: int = 200
) -> HttpResponse:
    page = form_page(membership, form, timezone.now(), is_refused=status != 200)
    return render_page(request, page, status=status)


def _checked(membership: Membership, form: RequestForm) -> RequestForm:
    """The form with the errors so far; a target that is still missing is not an error yet."""
    return with_all_errors(membership.organization, form, but="targets")


def _send(request: HttpRequest, membership: Membership, form: RequestForm) -> HttpResponse:
    submission, unread = form.submission()
    if unread:
        # One answer names everything: unreadable values and the errors of the check.
        return _form(request, membership, with_all_errors(membership.organization, form), 400)
    try:
        sent = services.submit(
            organization=membership.organization,
            actor=actor_of(request),
            submission=submission,
            key=form.key,
            consent=consent_of(request.POST),
        )
    except WouldReplace:
        return _form(request, membership, form, 409)
    except (QuotaExceeded, OrganizationSuspended) as error:
        page = form_page(membership, form, timezone.now(), is_refused=True, quota=error.sentence)
        return render_page(request, page, status=409)
    except IdempotencyKeyReused:
        return _form(request, membership, used_again(form, str(uuid4())), 422)
    except Invalid as error:
        if "both" in request.POST:
            # The page shows errors of size beside the overlaps, not at a field.
            wrong = with_all_errors(membership.organization, form)
            return _form(request, membership, wrong, 400 if wrong.errors else 409)
        return _form(request, membership, form.with_errors(error.errors), 400)
    return redirect(f"{sent.get_absolute_url()}#h")


@require_http_methods(["GET", "POST"])
def terminate(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    mitigation_request = request_for(membership, request_id)
    if request.method == "POST":
        return _act(
            request,
            mitigation_request,
            lambda actor: services.terminate(request_id=mitigation_request.pk, actor=actor),
        )
    has_no_question = mitigation_request.is_over or mitigation_request.waits_for_approval
    if has_no_question or mitigation_request.terminate_asked_at:
        return redirect(mitigation_request)
    return render_page(request, terminate_page(start, mitigation_request))


@require_POST
def ask(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    mitigation_request = request_for(membership, request_id)
    subscription_id = typed_id(request.POST.get("subscription", ""))
    try:
        return _act(
            request,
            mitigation_request,
            lambda actor: services.ask_provider(
                request_id=mitigation_request.pk,
                actor=actor,
                subscription_id=subscription_id,
                consent=consent_of(request.POST),
            ),
        )
    except WouldReplace as error:
        page = ask_page(start, mitigation_request, error.replaced)
        return render_page(request, page, status=409)


@require_http_methods(["GET", "POST"])
def withdraw(
    request: HttpRequest, slug: str, request_id: UUID, mitigation_id: UUID
) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    mitigation_request = request_for(membership, request_id)
    if request.method == "POST":
        return _act(
            request,
            mitigation_request,
            lambda actor: services.withdraw_provider(
                request_id=mitigation_request.pk, mitigation_id=mitigation_id, actor=actor
            ),
        )
    page = withdraw_page(start, mitigation_request, mitigation_id)
    return redirect(mitigation_request) if page is None else render_page(request, page)


@require_POST
def extend(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    mitigation_request = request_for(member_of(request, slug, Role.OPERATOR), request_id)
    lifetime_s = typed_lifetime(request.POST.get("lifetime", ""))
    return _act(
        request,
        mitigation_request,
        lambda actor: services.extend(
            request_id=mitigation_request.pk, actor=actor, lifetime_s=lifetime_s
        ),
    )


@require_POST
def efficacy(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    mitigation_request = request_for(member_of(request, slug, Role.OPERATOR), request_id)
    said = request.POST.get("attack_status", "")
    return _act(
        request,
        mitigation_request,
        lambda actor: services.report_efficacy(
            request_id=mitigation_request.pk, actor=actor, attack_status=said
        ),
    )


@require_POST
def acknowledge(request: HttpRequest, slug: str, request_id: UUID) -> HttpResponse:
    mitigation_request = request_for(member_of(request, slug, Role.OPERATOR), request_id)
    seen = services.SeenEnd(mitigation_request.pk, seen_at(request.POST.get("ended_at", "")))
    return _act(request, mitigation_request, lambda actor: services.acknowledge(seen, actor=actor))


@require_POST
def acknowledge_all(request: HttpRequest, slug: str) -> HttpResponse:
    """Acknowledge one request or all that were shown, and return to the page that showed them."""
    membership = member_of(request, slug, Role.OPERATOR)
    try:
        services.acknowledge_all(
            organization=membership.organization,
            ends=seen_ends(request.POST),
            actor=actor_of(request),
        )
    except (Conflict, Invalid) as error:
        messages.warning(request, error.errors[0].message if error.errors else error.message)
    if request.POST.get("back") == "standby":
        return redirect(f"{reverse('standby:standby', args=[slug])}#h")
    if request.POST.get("back") == "requests":
        shown = QueryDict(request.POST.get("shown", "")[:MAX_SHOWN]).urlencode()
        return redirect(f"{reverse('requests:requests', args=[slug])}?{shown}")
    return redirect(f"{reverse('now:now', args=[slug])}#h")


def _act(
    request: HttpRequest,
    mitigation_request: MitigationRequest,
    act: Callable[[Actor], MitigationRequest],
) -> HttpResponse:
    """Perform the action and show the request; a conflict is shown there, beside what happened."""
    try:
        act(actor_of(request))
    except WouldReplace:
        raise
    except (Conflict, Invalid) as error:
        said = error.errors[0].message if error.errors else error.message
        messages.warning(request, said)
    return redirect(f"{mitigation_request.get_absolute_url()}#h")

"""The pages of plans: parse, one access call, one service or query call, render."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of
from portal.accounts.actors import Actor
from portal.core.errors import Conflict, IdempotencyKeyReused, Invalid
from portal.mitigations.consent import Consent, WouldReplace
from portal.mitigations.quota import QuotaExceeded
from portal.mitigations.services import ask_provider
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.standby import queries, services
from portal.standby.access import plan_for
from portal.standby.models import StandbyPlan
from portal.web.accounts import typed
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.requests.form_page import used_again
from portal.web.requests.overlaps import consent_of
from portal.web.requests.request_form import typed_id
from portal.web.requests.views import NOT_SENT_YET
from portal.web.standby import plan_page as plan_pages
from portal.web.standby.edit_page import edit_page, with_all_errors
from portal.web.standby.list_page import standby_page
from portal.web.standby.plan_form import PlanForm


@require_safe
def standby(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug)
    return render_page(request, standby_page(membership, timezone.now()))


@require_safe
def plan_page(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    membership = member_of(request, slug)
    start = frame(membership, timezone.now())
    return render_page(
        request, plan_pages.plan_page(start, plan_for(membership, plan_id), request.GET)
    )


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    if request.method == "GET":
        if kept := typed.take(request):
            return _form(request, membership, PlanForm.typed(kept))
        longest = queries.longest_lifetime_s(membership.organization)
        return _form(request, membership, PlanForm.fresh(lifetime_s=longest))
    form = PlanForm.typed(request.POST)
    if "fix" in request.POST:
        return _form(request, membership, form.fixed(request.POST["fix"]))
    if "change" in request.POST:
        messages.info(request, NOT_SENT_YET)
        return _form(request, membership, form)
    submission, unread = form.request_form.submission()
    if unread:
        return _form(
            request, membership, with_all_errors(membership.organization, form), status=400
        )
    try:
        plan = services.create_plan(
            organization=membership.organization,
            actor=actor_of(request),
            name=form.name,
            submission=submission,
            key=form.request_form.key,
        )
    except IdempotencyKeyReused:
        again = form.with_request_form(used_again(form.request_form, str(uuid4())))
        return _form(request, membership, again, status=422)
    except Invalid as error:
        return _form(request, membership, form.with_errors(error.errors), status=400)
    except QuotaExceeded as error:
        messages.warning(request, error.message)
        return _form(request, membership, form, status=409)
    except Conflict as error:
        messages.warning(request, error.message)
        return redirect("standby:standby", slug=slug)
    return redirect(f"{plan.get_absolute_url()}#h")


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    plan = plan_for(membership, plan_id)
    if request.method == "GET":
        kept = typed.take(request)
        form = PlanForm.typed(kept) if kept else PlanForm.of(plan)
        return _form(request, membership, form, plan=plan)
    form = PlanForm.typed(request.POST)
    if "fix" in request.POST:
        return _form(request, membership, form.fixed(request.POST["fix"]), plan=plan)
    if "change" in request.POST:
        messages.info(request, NOT_SENT_YET)
        return _form(request, membership, form, plan=plan)
    submission, unread = form.request_form.submission()
    if unread:
        wrong = with_all_errors(membership.organization, form, plan)
        return _form(request, membership, wrong, plan=plan, status=400)
    try:
        services.change_plan(
            plan_id=plan.pk, actor=actor_of(request), name=form.name, submission=submission
        )
    except Invalid as error:
        wrong = form.with_errors(error.errors)
        return _form(request, membership, wrong, plan=plan, status=400)
    except QuotaExceeded as error:
        messages.warning(request, error.message)
        return _form(request, membership, form, plan=plan, status=409)
    return redirect(f"{plan.get_absolute_url()}#h")


def _form(
    request: HttpRequest,
    membership: Membership,
    form: PlanForm,
    *,
    plan: StandbyPlan | None = None,
    status: int = 200,
) -> HttpResponse:
    page = edit_page(membership, form, timezone.now(), plan=plan, is_refused=status != 200)
    return render_page(request, page, status=status)


@require_http_methods(["GET", "POST"])
def activate(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    plan = plan_for(membership, plan_id)
    ongoing = plan.live_activation
    if request.method == "GET":
        if ongoing is not None:
            return redirect(ongoing)
        return render_page(request, plan_pages.activate_page(start, plan))
    key = request.POST.get("key", "")[:64]
    try:
        mitigation_request = services.activate(
            plan_id=plan.pk, actor=actor_of(request), key=key, consent=consent_of(request.POST)
        )
    except WouldReplace:
        page = plan_pages.activate_page(start, plan, key=key, is_refused=True)
        return render_page(request, page, status=409)
    except (Conflict, Invalid) as error:
        messages.warning(request, error.errors[0].message if error.errors else error.message)
        return redirect(f"{(ongoing or plan).get_absolute_url()}#h")
    return redirect(f"{mitigation_request.get_absolute_url()}#h")


@require_POST
def turn_on(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    return _change(
        request,
        slug,
        plan_id,
        lambda plan, actor: services.turn_on(plan_id=plan.pk, actor=actor),
    )


@require_POST
def turn_off(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    return _change(
        request,
        slug,
        plan_id,
        lambda plan, actor: services.turn_off(plan_id=plan.pk, actor=actor),
    )


@require_POST
def ask(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    subscription_id = typed_id(request.POST.get("subscription", ""))
    return _change(
        request,
        slug,
        plan_id,
        lambda plan, actor: ask_provider(
            request_id=plan.request_id,
            actor=actor,
            subscription_id=subscription_id,
            consent=Consent(unknown_is_free=True),
        ),
    )


def _change(
    request: HttpRequest, slug: str, plan_id: UUID, act: Callable[[StandbyPlan, Actor], object]
) -> HttpResponse:
    plan = plan_for(member_of(request, slug, Role.OPERATOR), plan_id)
    try:
        act(plan, actor_of(request))
    except (Conflict, Invalid) as error:
        messages.warning(request, error.errors[0].message if error.errors else error.message)
    return redirect(f"{plan.get_absolute_url()}#h")


@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.OPERATOR)
    start = frame(membership, timezone.now())
    plan = plan_for(membership, plan_id)
    if request.method == "GET":
        page = plan_pages.stop_page(start, plan)
        return render_page(request, page) if page else redirect(plan)
    try:
        services.stop_filtering(plan_id=plan.pk, actor=actor_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
    # Back to where it was pressed: the page of the plan, or of its live request.
    shown = plan.request if request.POST.get("back") == "request" else plan
    return redirect(f"{shown.get_absolute_url()}#h")


@require_POST
def remove(request: HttpRequest, slug: str, plan_id: UUID) -> HttpResponse:
    plan = plan_for(member_of(request, slug, Role.OPERATOR), plan_id)
    services.remove_plan(plan_id=plan.pk, actor=actor_of(request))
    return redirect("standby:standby", slug=slug)

"""Signing in by the identity provider of an organization, and its answer."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import services as accounts
from portal.accounts.access import person_of
from portal.core import throttle
from portal.core.addresses import address_of
from portal.core.errors import NotFound, SecretUnreadable, Throttled
from portal.core.redirects import local_path
from portal.organizations.models import Role
from portal.organizations.request_context import member_of
from portal.sso import protocol, queries, services
from portal.sso.errors import SignInRefused
from portal.sso.models import SingleSignOn
from portal.sso.protocol import Begun
from portal.sso.refusals import Refused
from portal.sso.statements import Statements
from portal.web.accounts import typed
from portal.web.accounts.views import remember_browser
from portal.web.rendering import Page, render_page
from portal.web.single_sign_on.pages import ChoosePage, RefusedPage, leave_page, tested_page

SIGN_IN: Final = "sign-in"
STEP_UP: Final = "step-up"
TEST: Final = "test"
TRIES_PER_ADDRESS: Final = throttle.Limit(
    name="single-sign-on-address",
    tries=20,
    window_s=60,
    message="Too many tries from this address.",
)
"""Also limits how fast someone finds out which organizations use single sign-on."""


@never_cache
@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    following = _following(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    if request.method == "GET":
        return render_page(request, ChoosePage(following=following))
    wanted = request.POST.get("typed", "").strip()[: queries.MAX_TYPED_LENGTH]
    try:
        throttle.count(TRIES_PER_ADDRESS, throttle.subject_of(address_of(request)))
        sso = queries.for_typed(wanted)
        if sso is None:
            raise SignInRefused(Refused.NOT_SET_UP)
        url = protocol.authorization_url(request, sso, purpose=SIGN_IN, following=following)
    except (SignInRefused, Throttled, SecretUnreadable) as error:
        page = ChoosePage(following=following, typed=wanted, error=error.message)
        return _with_status(request, page, error)
    return render_page(request, leave_page(sso, url))


@never_cache
@require_safe
def confirm(request: HttpRequest) -> HttpResponse:
    """A step up at the identity provider that opened this session."""
    factor = queries.factor_of(request.user)
    sso = queries.for_organization(factor.identity.organization_id) if factor else None
    if sso is None:
        raise NotFound
    try:
        url = protocol.authorization_url(
            request, sso, purpose=STEP_UP, following=_following(request), asks_again=True
        )
    except SignInRefused as error:
        return _refused(request, error, back=_following(request))
    return HttpResponseRedirect(url)


@never_cache
@require_safe
def answer(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """The browser comes back from the identity provider."""
    try:
        begun = protocol.take_begun(request, organization_id)
        sso = queries.for_organization(organization_id)
        if sso is None:
            raise SignInRefused(Refused.NOT_SET_UP)
    except SignInRefused as error:
        return _refused(request, error, back=reverse("accounts:sign-in"))
    try:
        statements = protocol.finish(request, sso, begun)
        return _ANSWERS[begun.purpose](request, sso, begun, statements)
    except (SignInRefused, SecretUnreadable) as error:
        if begun.purpose == SIGN_IN and isinstance(error, SignInRefused):
            services.record_refused(sso.organization, error, address=address_of(request))
        back = begun.following if begun.purpose != SIGN_IN else reverse("accounts:sign-in")
        return _refused(request, error, back=back)


def _sign_in(
    request: HttpRequest, sso: SingleSignOn, begun: Begun, statements: Statements
) -> HttpResponse:
    admitted = services.admit(sso=sso, statements=statements, address=address_of(request))
    accounts.open_session(request, admitted.user, vouched_by=admitted.factor)
    is_other = typed.belongs_to_another(request)
    following = settings.LOGIN_REDIRECT_URL if is_other else begun.following
    if admitted.has_second_factor:
        response = HttpResponseRedirect(following)
        remember_browser(request, response, admitted.user)
        accounts.complete_session(request, admitted.factor)
        return response
    query = urlencode({"next": following})
    return HttpResponseRedirect(f"{reverse('accounts:code')}?{query}")


def _step_up(
    request: HttpRequest, sso: SingleSignOn, begun: Begun, statements: Statements
) -> HttpResponse:
    factor = queries.factor_of(request.user)
    if factor is None or factor.identity.organization_id != sso.organization_id:
        raise SignInRefused(Refused.STALE)
    has_factor = services.step_up(
        session=request.session,
        user=person_of(request),
        factor=factor,
        sso=sso,
        statements=statements,
        since=begun.at,
        address=address_of(request),
    )
    then = "press the button again" if has_factor else "press the button again, and give a code"
    messages.info(request, f"Confirmed. Nothing has been done yet: {then}.")
    return HttpResponseRedirect(begun.following)


def _test(
    request: HttpRequest, sso: SingleSignOn, begun: Begun, statements: Statements
) -> HttpResponse:
    user = request.user
    is_same = user.is_authenticated and user.is_verified() and str(user.pk) == begun.person
    if not is_same:
        raise SignInRefused(Refused.STALE)
    member_of(request, sso.organization.slug, Role.ADMIN)
    problem = services.verdict(sso, statements)
    page = tested_page(sso, statements, problem, back=begun.following)
    return render_page(request, page)


_ANSWERS: Final = {SIGN_IN: _sign_in, STEP_UP: _step_up, TEST: _test}


def _following(request: HttpRequest) -> str:
    wished = request.POST.get("next") or request.GET.get("next") or ""
    return local_path(wished, default=settings.LOGIN_REDIRECT_URL)


def _refused(
    request: HttpRequest, error: SignInRefused | SecretUnreadable, *, back: str
) -> HttpResponse:
    is_sign_in = back == reverse("accounts:sign-in")
    page = RefusedPage(
        error=error.message,
        detail=error.detail if isinstance(error, SignInRefused) else "",
        back=back,
        back_words="Back to the sign-in" if is_sign_in else "Go back",
    )
    return _with_status(request, page, error)


def _with_status(
    request: HttpRequest, page: Page, error: SignInRefused | Throttled | SecretUnreadable
) -> HttpResponse:
    response = render_page(request, page, status=error.http_status)
    if error.retry_after_s:
        response["Retry-After"] = str(error.retry_after_s)
    return response

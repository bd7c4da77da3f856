"""Choosing notices, and the link in a mail that stops one kind of them."""

from __future__ import annotations

from datetime import time
from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from portal.accounts.access import actor_of, person_of
from portal.core.errors import FieldError, Invalid
from portal.notifications.choices import choices_of, choose, set_quiet_hours
from portal.notifications.membership import own_membership, own_memberships
from portal.notifications.unsubscribing import read_link
from portal.notifications.unsubscribing import stop as stop_kind
from portal.organizations.models import Membership
from portal.web.me.notices_page import notices_page, stop_page, url_for, value_of
from portal.web.me.push_part import push_part
from portal.web.rendering import render_page

MAX_TYPED: Final = 5
"""Characters of a time of day."""


@require_http_methods(["GET", "POST"])
def notices(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    memberships = own_memberships(person)
    slug = request.GET.get("organization", "")
    here = own_membership(person, slug) if slug else next(iter(memberships), None)
    if request.method == "GET" or here is None:
        push = push_part(person, request.session)
        return render_page(request, notices_page(person, memberships, here, push=push))
    wanted = frozenset(request.POST.getlist("wanted"))
    typed = (_typed(request, "quiet_begins"), _typed(request, "quiet_ends"))
    try:
        _save(request, here, wanted, typed)
    except Invalid as error:
        errors = {one.field: one.message for one in error.errors}
        push = push_part(person, request.session)
        page = notices_page(
            person, memberships, here, push=push, wanted=wanted, quiet=typed, errors=errors
        )
        return render_page(request, page, status=400)
    messages.info(request, "Your notices are saved.")
    return redirect(url_for(here))


def _typed(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").strip()[:MAX_TYPED]


@transaction.atomic
def _save(
    request: HttpRequest, here: Membership, wanted: frozenset[str], typed: tuple[str, str]
) -> None:
    actor = actor_of(request)
    set_quiet_hours(here, actor=actor, quiet=_quiet(typed))
    cells = [one for one in choices_of(here) if not one.is_fixed]
    choices = {(one.kind.value, one.channel_kind): value_of(one) in wanted for one in cells}
    choose(here, actor=actor, wanted=choices)


def _quiet(typed: tuple[str, str]) -> tuple[time, time] | None:
    """None: both fields are empty."""
    if typed == ("", ""):
        return None
    return _time("begins", typed[0]), _time("ends", typed[1])


def _time(name: str, text: str) -> time:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        words = (
            f"“{text}” is not a time, such as 22:00."
            if text
            else "Write both times, such as 22:00, or leave both empty."
        )
        error = FieldError(f"quiet_hours.{name}", "not-a-time", words)
        raise Invalid("Nothing was saved.", errors=[error]) from None


@never_cache
# The signed link is the proof, and a mail program that posts it has no cookie (RFC 8058).
@csrf_exempt
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, token: str) -> HttpResponse:
    link = read_link(token)
    is_done = request.method == "POST"
    if is_done:
        stop_kind(link)
    return render_page(request, stop_page(link, action=request.path, is_done=is_done))

"""Ending one's own sessions."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from portal.accounts import services
from portal.accounts.access import person_of
from portal.core.addresses import address_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.me.sessions_page import sessions_page
from portal.web.rendering import render_page


@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    return render_page(request, sessions_page(person_of(request), request.session))


@require_POST
def end(request: HttpRequest, session_id: UUID) -> HttpResponse:
    require_fresh_factor(request)
    device = services.end_session(
        user=person_of(request),
        session_id=session_id,
        credential=request.session,
        address=address_of(request),
    )
    messages.info(request, f"Signed out: {device}.")
    return redirect("me:sessions")


@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    require_fresh_factor(request)
    ended = services.end_other_sessions(
        user=person_of(request), credential=request.session, address=address_of(request)
    )
    words = "1 other session" if ended == 1 else f"{ended} other sessions"
    messages.info(request, f"{words} ended." if ended else "You are signed in only here.")
    return redirect("me:sessions")

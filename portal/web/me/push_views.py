"""Notices in this browser: a script of the page subscribes, and its form is sent here."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from portal.accounts.access import person_of
from portal.accounts.services.known_devices import known_device
from portal.accounts.services.sessions import note_known_device
from portal.accounts.user_agents import device_words
from portal.core.errors import Conflict, Invalid
from portal.notifications.channels.web_push import MAX_ENDPOINT_LENGTH
from portal.notifications.channels.web_push.devices import DeviceFacts, add_device, remove_device
from portal.notifications.membership import own_memberships
from portal.web.accounts.views import device_secret
from portal.web.me.notices_page import notices_page
from portal.web.me.push_part import push_part
from portal.web.rendering import render_page


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    known = known_device(secret=device_secret(request), username=person.username)
    facts = DeviceFacts(
        name=device_words(request.headers.get("User-Agent", "")),
        endpoint=_sent(request, "endpoint"),
        p256dh=_sent(request, "p256dh"),
        auth=_sent(request, "auth"),
        known=known,
    )
    try:
        device = add_device(user=person, facts=facts)
    except (Conflict, Invalid) as error:
        why = error.errors[0].message if error.errors else error.message
        push = push_part(person, request.session, error=f"This browser was not added. {why}")
        memberships = own_memberships(person)
        page = notices_page(person, memberships, next(iter(memberships), None), push=push)
        return render_page(request, page, status=error.http_status)
    if known is not None:
        # A session of the previous release does not know its browser.
        note_known_device(request.session, known)
    messages.info(request, f"{device.name} gets your notices.")
    return _back()


@require_POST
def remove(request: HttpRequest, device_id: UUID) -> HttpResponse:
    name = remove_device(user=person_of(request), device_id=device_id)
    messages.info(request, f"{name} gets no more notices.")
    return _back()


def _sent(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "")[: MAX_ENDPOINT_LENGTH + 1]


def _back() -> HttpResponse:
    return redirect(f"{reverse('me:notices')}#push")

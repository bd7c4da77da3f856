"""Keep the values a person typed into a form after the session ended.

Each form with typed fields carries a signed marker with its person and page. If the form arrives
without a session, its values are saved in a session without a user. Once the same person has signed
in, the form opens with them; it is never sent automatically. Only the portal can make such a
marker, and forms from other sites are not saved, so another site cannot fill a form.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from time import time
from typing import Final, TypedDict
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, QueryDict
from django.utils.http import url_has_allowed_host_and_scheme

from portal.accounts.models import WhyEnded
from portal.accounts.services.sessions import has_fresh_password
from portal.accounts.session_store import ended_of
from portal.core import throttle
from portal.core.errors import Throttled
from portal.core.formatting import duration

FIELD: Final = "typed_by"
MAX_CHARACTERS: Final = 24_000
"""All names and values of one form together. The longest valid form needs about half of it."""
MARK_HOLDS: Final = timedelta(days=2)
"""How old the marker of a saved form may be."""
SAVED_FOR: Final = timedelta(hours=1)
SAVED_FORMS_PER_PERSON: Final = throttle.Limit(
    name="typed-form", tries=30, window_s=600, message="Too many forms were kept."
)
RESTORED: Final = "You were signed out. The form is as you left it; nothing was sent."
CHANGED: Final = "Your password is changed. Sign in with it and your second factor."
UNDONE: Final = "You were signed out, so nothing was done."
AGAIN: Final = "Sign in, then press the button again."
WHY_SIGNED_OUT: Final[dict[str, str]] = {
    WhyEnded.TIME: "You were signed out because you signed in too long ago.",
    WhyEnded.PERSON: "You were signed out: you ended this session from another browser or app.",
    WhyEnded.TOO_MANY: "You were signed out: you signed in with too many browsers.",
    WhyEnded.PASSWORD: "You were signed out: your password was changed.",
    WhyEnded.FACTOR: (
        "You were signed out: the second factor or the single sign-on that opened this session "
        "ended."
    ),
    WhyEnded.ACCESS: "You were signed out: your access was ended.",
}
_KEPT: Final = "typed_form"
_SALT: Final = "portal.accounts.typed"
"""Not this module's name: forms on pages that are open during an upgrade carry markers signed with
it.
"""
_NOT_TYPED: Final = frozenset(
    {FIELD, "csrfmiddlewaretoken", "step_up_code", "step_up_passkey", "step_up_password"}
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The person a form was made for (the id), its page, and the end of that session (seconds since
    1970).
    """

    person: str
    page: str
    session_until: float


class KeptForm(TypedDict):
    """The part of a form that a session saves."""

    person: str
    page: str
    at: float
    "seconds since 1970"
    ended: str
    "why the session was over (WhyEnded)"
    fields: dict[str, list[str]] | None
    "None: too long to save"


def mark(request: HttpRequest, page: str) -> str:
    until = request.session.get_expiry_date().timestamp()
    return signing.dumps([str(request.user.pk), page, int(until)], salt=_SALT)


def keep(request: HttpRequest) -> str:
    """The page on which the form will open again; empty if the form has no marker, is another
    person's, or comes from another site.
    """
    found = _mark_of(request.POST.get(FIELD, ""))
    if found is None or not _is_from_our_page(request) or request.headers.get("HX-Request"):
        return ""
    if request.user.is_authenticated and str(request.user.pk) != found.person:
        return ""
    try:
        throttle.count(SAVED_FORMS_PER_PERSON, found.person)
    except Throttled:
        return ""
    fields = {name: request.POST.getlist(name) for name in request.POST if name not in _NOT_TYPED}
    length = sum(len(name) + sum(map(len, values)) for name, values in fields.items())
    request.session[_KEPT] = KeptForm(
        person=found.person,
        page=found.page,
        at=time(),
        ended=_ended(request) or (WhyEnded.TIME if time() >= found.session_until else WhyEnded.NO),
        fields=fields if length <= MAX_CHARACTERS else None,
    )
    return found.page


def _is_from_our_page(request: HttpRequest) -> bool:
    """Whether the browser says that no other site sent this.

    From another site it arrives without the session cookie (SameSite=Lax) even if the person is
    signed in: the cookie of a session made to save it would replace theirs.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    # Older browsers, and plain HTTP.
    ours = f"{request.scheme}://{request.get_host()}"
    referer = "/".join(request.headers.get("Referer", "").split("/", 3)[:3])
    return request.headers.get("Origin", referer) in (ours, *settings.CSRF_TRUSTED_ORIGINS)


def _mark_of(text: str) -> Mark | None:
    try:
        person, page, until = signing.loads(text, salt=_SALT, max_age=MARK_HOLDS)
    except signing.BadSignature:
        return None
    return Mark(person, page, until)


def said_at_sign_in(request: HttpRequest) -> str:
    """The sentence on the sign-in page about a form or button that arrived without a session; empty
    if none did.
    """
    kept = _kept(request)
    if kept is None and "changed" in request.GET:
        return CHANGED
    ended = _why_signed_out(kept["ended"] if kept else _ended(request))
    if kept is None and "undone" in request.GET:
        return f"{ended} Nothing was done. {AGAIN}" if ended else f"{UNDONE} {AGAIN}"
    if kept is None:
        return f"{ended} Sign in to go on where you were." if ended else ""
    ended = ended or "You were signed out."
    if kept["fields"] is None:
        return f"{ended} What you typed was too long to save. Nothing was sent."
    return f"{ended} Sign in; what you typed is saved."


def _why_signed_out(ended: str) -> str:
    """Why the session is over; empty if there was none, or its person signed out."""
    if ended == WhyEnded.IDLE:
        idle = duration(settings.SESSION_IDLE.total_seconds())
        return f"You were signed out because this browser was not used for {idle}."
    return WHY_SIGNED_OUT.get(ended, "")


def _ended(request: HttpRequest) -> WhyEnded:
    """Why the session is over whose cookie this request brought. Only its browser has that."""
    is_half = request.user.is_authenticated and not request.user.is_verified()
    if is_half and not has_fresh_password(request.session):
        return WhyEnded.FACTOR
    return ended_of(request)


def belongs_to_another(request: HttpRequest) -> bool:
    """Whether another person signed in than the one who typed; if so, the saved form is deleted."""
    kept = _kept(request)
    if kept is None or kept["person"] == str(request.user.pk):
        return False
    del request.session[_KEPT]
    return True


def take(request: HttpRequest) -> QueryDict | None:
    """The values that the person typed on this page. Returns them once, and makes the
    page say so.
    """
    kept = _kept(request)
    if kept is None or request.method != "GET" or kept["page"] != request.path:
        return None
    del request.session[_KEPT]
    if kept["person"] != str(request.user.pk) or kept["fields"] is None:
        return None
    typed = QueryDict(mutable=True)
    for name, values in kept["fields"].items():
        typed.setlist(name, values)
    messages.info(request, RESTORED)
    return typed


def _kept(request: HttpRequest) -> KeptForm | None:
    kept: KeptForm | None = request.session.get(_KEPT)
    return kept if kept and time() - kept["at"] < SAVED_FOR.total_seconds() else None


def referring_page(request: HttpRequest) -> str:
    """The page a button was pressed on, if the browser sent it; otherwise empty."""
    came_from = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        came_from, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not is_ours:
        return ""
    parts = urlsplit(came_from)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path

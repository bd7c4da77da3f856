"""The parts of pages, rendered once for all members of an organization who see the same.

During an attack all its people watch the same pages, and every change makes all of them request the
same parts at the same moment.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.timezone import get_current_timezone_name

from portal.organizations.models import Membership
from portal.web.accounts import typed

FRESH_S: Final = 1.0
"""How old a fragment may be. The times in it are as old, and changes of rows without an event."""
MAX_FRAGMENTS: Final = 64
MAX_CHARACTERS: Final = 200_000
"""A longer fragment is rendered for each person."""


class Audience(NamedTuple):
    """All that a shared fragment may depend on, besides the rows of the organization.

    Anything else about the person must become a personal place (`shared_context`).
    """

    organization: UUID
    role: str
    is_staff: bool
    time_zone: str
    path: str
    query: str
    seq: int
    "of the newest event: a fragment from before it is not for those who request what it changed"


class Fragment(NamedTuple):
    """Rendered parts."""

    html: str
    seq: int
    "the newest event that they reflect for certain"


def audience_of(request: HttpRequest, membership: Membership, seq: int) -> Audience:
    query = request.GET.copy()
    # It concerns the announcements, which are not part of the fragment.
    query.pop("after", None)
    return Audience(
        organization=membership.organization_id,
        role=membership.role,
        is_staff=membership.user.is_staff,
        time_zone=get_current_timezone_name(),
        path=request.path,
        query=query.urlencode(),
        seq=seq,
    )


@dataclass(eq=False)
class _Entry:
    begun_at: float
    lock: Lock = field(default_factory=Lock)
    fragment: Fragment | None = None


class Fragments:
    """The newest fragments of this process. Persons who request one that is being rendered wait for
    it.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[Audience, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, audience: Audience, render: Callable[[], Fragment]) -> Fragment:
        """The fragment for `audience`, at most FRESH_S older than this call. If `render` fails, the
        next caller renders.
        """
        with self._lock:
            entry = self._entry(audience)
        with entry.lock:
            fragment = entry.fragment or render()
            if len(fragment.html) <= MAX_CHARACTERS:
                entry.fragment = fragment
        return fragment

    def _entry(self, audience: Audience) -> _Entry:
        now = self._clock()
        # The oldest come first.
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if now - oldest.begun_at < FRESH_S and len(self._entries) <= MAX_FRAGMENTS:
                break
            self._entries.popitem(last=False)
        if audience not in self._entries:
            self._entries[audience] = _Entry(now)
            if len(self._entries) > MAX_FRAGMENTS:
                self._entries.popitem(last=False)
        return self._entries[audience]


fragments: Final = Fragments()

_SECRET: Final = token_hex(16)
"""Texts that people typed cannot look like a personal place."""
_CSRF: Final = f"csrf-{_SECRET}"
_PERSONAL: Final = re.compile(rf"{_CSRF}|(typed|hidden)-{_SECRET}\(([^)]*)\)")


def hidden_from(request: HttpRequest, person: str) -> str:
    """The attribute of an element that the person with this id does not see."""
    return "hidden" if str(request.user.pk) == person else ""


def shared_context(path: str) -> dict[str, object]:
    """What a fragment reads in place of the request of one person: it has personal places, which
    `personal` fills.
    """
    return {
        "request": {"path": path},
        "csrf_token": _CSRF,
        "typed_mark": lambda page: f"typed-{_SECRET}({page})",
        "hidden_mark": lambda person: f"hidden-{_SECRET}({person})",
    }


def personal(html: str, request: HttpRequest) -> str:
    """The fragment for one person: with their CSRF token, their mark in the forms they type into,
    and without what is hidden from them.
    """

    def fill(place: re.Match[str]) -> str:
        if place[1] is None:
            return get_token(request)
        if place[1] == "typed":
            return typed.mark(request, place[2])
        return hidden_from(request, place[2])

    return _PERSONAL.sub(fill, html)

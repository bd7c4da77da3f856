"""Every URL of the portal, with values in path, query and form that no page sends: no 5xx."""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, quote_from_bytes, unquote

import pytest
from django.core.cache import cache
from django.http import QueryDict
from django.test import Client
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from portal.accounts.models import User
from portal.inventory.models import UnknownMitigation
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.organizations.models import Invitation, Organization
from portal.standby.models import StandbyPlan
from tests import routes
from tests.conftest import ClientOf

pytestmark = pytest.mark.exhaustive

asked = routes.asked

HUGE: Final = "9" * 5000
"""More digits than the 4,300 that Python reads: `int` raises a ValueError."""
EDGES: Final = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
"""Dates that exist in their zone, but not in UTC."""
ALONE: Final = ["%00", "²", HUGE, "x%0D%0Ay"]
"""Quoted; each name gets them alone, since one error may hide another."""
TOGETHER: Final = [
    *map(quote, ("", "\0", "x\r\nSet-Cookie: a=b", "٣", "-1", "NaN", str(2**64), *EDGES,
    "//evil.example/", "%", "[", "\u202e\U0001f480")),
    # Not UTF-8: half a pair, an overlong NUL.
    *map(quote_from_bytes, (b"\xff", b"\xed\xa0\x80", b"\xc0\x80")),
]  # fmt: skip
"""All names of a URL get them together."""
CURSORS: Final = [
    *(f"{more}p={quote(edge)}".encode() for more in ("", "r=1&o=1000&") for edge in (*EDGES,
    "10000-01-01", "2026-02-30", "\0", "²", HUGE)),
    b"\xff\xfe", b"o=-1", "o=²".encode(), b"o=" + HUGE.encode(), b"p=\xed\xa0\x80",
]  # fmt: skip
NAMED: Final[Mapping[str, list[str]]] = {
    "cursor": [*(quote(b64encode(one)) for one in CURSORS), "=", "====", "%E2%80%A8", "é"],
    "before": [f"{2**70}-1", "-1-1", f"0-{2**70}", f"{HUGE}-{HUGE}", "²-²"],
    "fix": [
        f"{field}.{place}=x"
        for field in ("ports", "targets.prefixes")
        for place in ("²", HUGE, "-1")
    ],
    "limit": ["0", "201", "null", "1e1", "٣"],
}
"""Values that are parsed as more than text, quoted."""
STAFF_NAMES: Final = ["q", "p", "o", "all", "e", "_popup", "_to_field", "_changelist_filters", "id",
"id__in", "name__regex", "role__exact", "organization__id__exact", "verified_at__isempty",
"is_staff__exact", "session_state__exact", "app_label", "model_name", "field_name", "term",
"x__y"]  # fmt: skip
"""Names that Django's own pages read: they take the whole query at once, so that `names_read` does
not see them.
"""
PLACE: Final = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)\$?")


def addresses() -> Iterator[tuple[str, str]]:
    """Name and template of every URL, as "/organizations/<slug:slug>/"."""

    def walk(resolver: URLResolver, namespace: str, prefix: str) -> Iterator[tuple[str, str]]:
        for entry in resolver.url_patterns:
            route = prefix + str(entry.pattern).removeprefix("^")
            if isinstance(entry, URLResolver):
                inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                yield from walk(entry, inner, route)
            elif isinstance(entry, URLPattern):
                yield f"{namespace}{entry.name}", route

    yield from walk(get_resolver(), "", "/")


@pytest.fixture
def good(asked: MitigationRequest) -> dict[str, str]:
    """A valid value for each place in a path, of an object of acme."""
    first: dict[str, Any] = {
        "mitigation_id": Mitigation,
        "unknown_id": UnknownMitigation,
        "plan_id": StandbyPlan,
        "invitation_id": Invitation,
        "member_id": User,
        "object_id": Organization,
        "id": User,
    }
    ids = {
        name: str(model.objects.values_list("pk", flat=True)[0]) for name, model in first.items()
    }
    return {"slug": "acme", "request_id": str(asked.pk), **ids}


def filled(route: str, good: Mapping[str, str]) -> str:
    return PLACE.sub(lambda place: good.get(place[1] or place[2], "x"), route)


def hostile_paths(route: str, good: Mapping[str, str], refused: set[str]) -> Iterator[str]:
    """No view gets what the router refuses, so one path of all that begin with it is enough."""
    for place in PLACE.finditer(route):
        before, after = filled(route[: place.start()], good), filled(route[place.end() :], good)
        for value in (*ALONE, "%ff", "00000000-0000-0000-0000-000000000000"):
            path = before + value + after
            if not has_own_view(path):
                if before + value in refused:
                    continue
                refused.add(before + value)
            yield path


def has_own_view(path: str) -> bool:
    try:
        return resolve(unquote(path)).view_name != "api:no-such-call"
    except Resolver404:
        return False


@contextmanager
def names_read() -> Iterator[set[str]]:
    """The names that running code looks up in queries and forms."""
    names: set[str] = set()

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(self: QueryDict, key: object, *more: Any, **options: Any) -> Any:
            # Django REST Framework looks up None: no parameter chooses a format.
            if isinstance(key, str):
                names.add(key)
            return method(self, key, *more, **options)

        return noted

    with pytest.MonkeyPatch.context() as patched:
        for method in ("__getitem__", "__contains__", "getlist"):
            patched.setattr(QueryDict, method, noting(getattr(QueryDict, method)), raising=False)
        yield names


class Walk:
    """Records which calls were answered with 5xx."""

    def __init__(self) -> None:
        self.browser = Client()
        self.failed: list[str] = []
        self.calls = 0

    def call(self, method: str, url: str, body: str = "") -> None:
        self.calls += 1
        form = "application/x-www-form-urlencoded"
        self.browser.raise_request_exception = False
        # Pages asked for fragments read more of the query.
        headers = {"HX-Request": "true"}
        answer = self.browser.generic(method, url, body, content_type=form, headers=headers)
        if answer.status_code >= 500:
            self.failed.append(f"{answer.status_code} {method} {url[:150]} {body[-150:]}")

    def query(self, url: str, also: list[str]) -> None:
        with names_read() as read:
            self.call("GET", url)
        names = sorted({*read, *also})
        for query in queries(names):
            self.call("GET", f"{url}?{query}")

    def form(self, url: str, base: Mapping[str, str]) -> None:
        start = "".join(f"{quote(name)}={quote(value)}&" for name, value in base.items())
        with names_read() as read:
            self.call("POST", url, start)
        for query in queries(sorted(read), alone=("²", HUGE)):
            self.call("POST", url, start + query)


def queries(names: list[str], alone: Sequence[str] = ALONE) -> Iterator[str]:
    for name in names:
        for value in (*alone, *NAMED.get(name, ())):
            yield f"{name}={value}"
    if names:
        for value in TOGETHER:
            yield "&".join(f"{name}={value}" for name in names)
        yield "&".join(f"{name}=1&{name}=x" for name in names)


@pytest.fixture
def walk() -> Iterator[Walk]:
    logging.disable(logging.CRITICAL)
    yield Walk()
    logging.disable(logging.NOTSET)


PARTS: Final = sorted({name.partition(":")[0] for name, _ in addresses()})
TIMEOUT_S: Final = 600
"""For a test with thousands of calls; two minutes were not enough on a busy machine."""


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("part", PARTS)
def test_no_value_in_a_path_or_query_causes_a_500(
    good: dict[str, str], walk: Walk, alice: User, mo: User, client_of: ClientOf, part: str
) -> None:
    is_for_staff = part == "staff"
    refused: set[str] = set()
    for name, route in addresses():
        if name.partition(":")[0] != part:
            continue
        is_list = name.endswith(("_changelist", ":autocomplete"))
        signed_in = client_of(mo if is_for_staff else alice)
        paths = list(hostile_paths(route, good, refused))
        # Anonymous visitors reach no other page: tests/permissions.
        for browser in (Client(), signed_in) if part in ("accounts", "api") else (signed_in,):
            cache.clear()
            walk.browser = browser
            walk.query(filled(route, good), STAFF_NAMES if is_list else [])
            for path in paths:
                walk.call("GET", path)

    assert walk.failed == [], "\n".join(walk.failed)
    assert walk.calls


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("staff", "api")])
def test_no_value_in_a_form_causes_a_500(
    good: dict[str, str], walk: Walk, alice: User, client_of: ClientOf, part: str
) -> None:
    for name, route in addresses():
        if name.partition(":")[0] == part:
            walk.browser = Client() if part == "accounts" else client_of(alice)
            walk.form(filled(route, good), routes.BODIES.get(name, {}))

    assert walk.failed == [], "\n".join(walk.failed)
    assert walk.calls

"""Parts of pages are rendered once for people who see the same, and never shown to others."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.models import User
from portal.mitigations.models import MitigationRequest, Strategy
from portal.organizations.models import Membership, Organization, Role
from portal.web import fragments, rendering
from portal.web.fragments import (
    FRESH_S,
    MAX_CHARACTERS,
    MAX_FRAGMENTS,
    Audience,
    Fragment,
    Fragments,
)
from tests.conftest import ClientOf
from tests.factories import member
from tests.portal.web.conftest import Ask, filtering, mitigations_of

STATEMENTS_OF_A_PART = 7
"""A call for parts that another person has just requested reads who asks, whether they are a
member, and the number of the newest event. Lower it when the cost falls; do not raise it.
"""
BYTES_OF_THE_CHART = 5_000
"""Compressed. A page requests it every 10 s."""


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[Audience]:
    """The audiences that parts were rendered for, of a process that has just started."""
    found: list[Audience] = []
    own = Fragments(clock=lambda: 0.0)

    class Noting(Fragments):
        def get(self, audience: Audience, render: Callable[[], Fragment]) -> Fragment:
            def noted() -> Fragment:
                fragment = render()
                found.append(audience)
                return fragment

            return own.get(audience, noted)

    monkeypatch.setattr(rendering, "fragments", Noting())
    return found


def parts(browser: Client, url: str, names: str = "say,lanes,side,look,time,chart") -> str:
    answer = browser.get(f"{url}?parts={names}", headers={"HX-Request": "true"})
    assert answer.status_code == 200, answer
    return answer.content.decode()


def without_secrets(html: str) -> str:
    return re.sub(r'(name="(?:csrfmiddlewaretoken|typed_by)"\s+value=)"[^"]+"', r"\1", html)


def secrets_in(html: str) -> list[str]:
    return re.findall(r'name="(?:csrfmiddlewaretoken|typed_by)"\s+value="([^"]+)"', html)


def test_people_who_see_the_same_share_a_fragment_but_no_secret(
    acme: Organization, dana: User, ask: Ask, client_of: ClientOf, rendered: list[Audience]
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    erin = member("erin", acme, Role.OPERATOR)
    pages = [parts(client_of(one), request.get_absolute_url()) for one in (dana, erin, dana)]

    assert len(rendered) == 1
    assert len({without_secrets(page) for page in pages}) == 1
    secrets = [secrets_in(page) for page in pages]
    assert all(len(found) > 2 for found in secrets)
    assert not set(secrets[0]) & set(secrets[1])
    assert fragments._SECRET not in "".join(pages)


def test_the_forms_of_a_shared_fragment_work(
    acme: Organization, dana: User, ask: Ask, client_of: ClientOf, rendered: list[Audience]
) -> None:
    request = ask()
    url = request.get_absolute_url()
    parts(client_of(dana), url)
    browser = client_of(member("erin", acme, Role.OPERATOR))
    browser.handler.enforce_csrf_checks = True
    token, *_ = secrets_in(parts(browser, url))
    assert len(rendered) == 1

    assert browser.post(f"{url}/terminate", {"csrfmiddlewaretoken": "x" * 64}).status_code == 403
    assert browser.post(f"{url}/terminate", {"csrfmiddlewaretoken": token}).status_code == 302
    request.refresh_from_db()
    assert request.terminate_asked_by is not None
    assert request.terminate_asked_by.username == "erin"


def test_a_shared_fragment_says_what_the_page_itself_says(
    dana: User, ask: Ask, client_of: ClientOf, rendered: list[Audience]
) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)
    browser, url = client_of(dana), request.get_absolute_url()
    for path, names in ((url, "say,lanes,side,look,time,chart"), (now_of(request), "now")):
        whole = without_secrets(browser.get(path).content.decode())
        for part in parts(browser, path, names).split(' hx-swap-oob="true"')[1:]:
            # The first words of each form and sentence; ages and moments may have moved on.
            for words in re.findall(r"<(?:h1|h2|h3|button|summary)[^>]*>\s*([^<]+?)\s*<", part):
                assert words in whole


def now_of(request: MitigationRequest) -> str:
    return request.get_absolute_url().partition("requests/")[0]


@pytest.mark.parametrize("names", ["say,lanes,side,look,time,chart", "chart"])
def test_each_role_and_each_organization_has_its_own(
    dana: User, bob: User, charlie: User, ask: Ask, client_of: ClientOf, rendered: list[Audience],
    names: str,
) -> None:  # fmt: skip
    request = ask()
    filtering(mitigations_of(request)[0])
    url = request.get_absolute_url()
    assert "Terminate now" in parts(client_of(dana), url)

    assert "Terminate now" not in parts(client_of(bob), url)
    stranger = client_of(charlie)
    for path in (url, url.replace("/acme/", "/globex/"), now_of(request)):
        answer = stranger.get(f"{path}?parts={names}", headers={"HX-Request": "true"})
        assert answer.status_code == 404
    assert {(one.organization, one.role) for one in rendered} == {
        (request.organization_id, Role.OPERATOR),
        (request.organization_id, Role.VIEWER),
    }


def test_a_lowered_role_and_a_lost_membership_count_at_once(
    dana: User, ask: Ask, client_of: ClientOf, rendered: list[Audience]
) -> None:
    url = ask().get_absolute_url()
    browser = client_of(dana)
    assert "Terminate now" in parts(browser, url)

    Membership.objects.filter(user=dana).update(role=Role.VIEWER)
    assert "Terminate now" not in parts(browser, url)
    Membership.objects.filter(user=dana).delete()
    assert browser.get(f"{url}?parts=say", headers={"HX-Request": "true"}).status_code == 404


def test_an_event_makes_a_new_fragment(
    dana: User, ask: Ask, client_of: ClientOf, rendered: list[Audience]
) -> None:
    request = ask()
    browser, url = client_of(dana), request.get_absolute_url()
    assert 'data-status="requesting"' in parts(browser, url)

    filtering(mitigations_of(request)[0])

    assert 'data-status="mitigating"' in parts(browser, url)
    parts(browser, url)
    assert len(rendered) == 2


@pytest.mark.parametrize("names", ["say,lanes,side,look,time,chart", "chart", "now"])
def test_a_call_for_rendered_parts_needs_few_statements(
    dana: User, ask: Ask, client_of: ClientOf, rendered: list[Audience], names: str
) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)
    url = now_of(request) if names == "now" else request.get_absolute_url()
    parts(client_of(dana), url, names)
    browser = client_of(dana)

    with CaptureQueriesContext(connection) as statements:
        parts(browser, url, names)

    assert len(rendered) == 1
    assert len(statements) <= STATEMENTS_OF_A_PART, [one["sql"] for one in statements]


def test_the_chart_is_small(dana: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)

    answer = client_of(dana).get(
        f"{request.get_absolute_url()}?parts=chart",
        headers={"HX-Request": "true", "Accept-Encoding": "gzip"},
    )

    assert len(answer.content) <= BYTES_OF_THE_CHART


# ---- the fragments of a process


def audience(number: int = 0) -> Audience:
    return Audience(UUID(int=number), Role.OPERATOR, False, "UTC", "/", "", number)


@given(st.lists(st.tuples(st.integers(0, 3 * MAX_FRAGMENTS), st.floats(0, 0.4)), max_size=300))
def test_fragments_are_few_and_never_older_than_a_second(steps: list[tuple[int, float]]) -> None:
    now = 0.0
    kept = Fragments(clock=lambda: now)
    for number, pause in steps:
        now += pause
        made = kept.get(audience(number), partial(Fragment, f"{number} {now}", 0))
        whose, at = made.html.split(" ")
        assert whose == str(number)
        assert now - float(at) < FRESH_S
        assert len(kept) <= MAX_FRAGMENTS


def test_a_failed_rendering_is_not_kept() -> None:
    kept = Fragments(clock=lambda: 0.0)

    with pytest.raises(ZeroDivisionError):
        kept.get(audience(), lambda: 1 / 0)  # type: ignore[arg-type,return-value]  # it fails

    assert kept.get(audience(), lambda: Fragment("good", 1)).html == "good"


def test_a_long_fragment_is_not_kept() -> None:
    kept = Fragments(clock=lambda: 0.0)
    long = "x" * (MAX_CHARACTERS + 1)

    assert [kept.get(audience(), partial(Fragment, text, 1)).html for text in (long, "y")] == [
        long,
        "y",
    ]


def test_people_who_request_one_at_the_same_moment_wait_for_one_rendering() -> None:
    kept = Fragments(clock=lambda: 0.0)
    rendering_began, others_wait = Event(), Event()
    rendered, got = [], []

    def render() -> Fragment:
        rendered.append(1)
        rendering_began.set()
        assert others_wait.wait(5)
        return Fragment("once", 1)

    def request() -> None:
        got.append(kept.get(audience(), render).html)

    threads = [Thread(target=request) for _ in range(8)]
    threads[0].start()
    assert rendering_began.wait(5)
    for one in threads[1:]:
        one.start()
    others_wait.set()
    for one in threads:
        one.join(5)

    assert got == ["once"] * 8
    assert len(rendered) == 1

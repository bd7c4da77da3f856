"""Every page follows the content security policy, has no dead links, one headline and few
queries.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from portal.accounts.models import User
from portal.core.icons import ICONS
from portal.mitigations.models import MitigationRequest, Strategy
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, ended, filtering, mitigations_of
from tests.portal.wire.conftest import exchange

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


class Page(HTMLParser):
    """Collects the elements that the tests check."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def pages(
    alice: User,
    ask: Ask,
    client_of: ClientOf,
    acme_northgate: Subscription,
    shop: ProtectedResource,
) -> dict[str, str]:
    live, over = ask(Strategy.PARALLEL), ask()
    for one in [*mitigations_of(live), mitigations_of(over)[0]]:
        filtering(one)
    ended(over, alice)
    exchange(mitigations_of(live)[0])
    browser = client_of(alice)
    paths = {
        "now": "/organizations/acme/",
        "requests": "/organizations/acme/requests",
        "new": "/organizations/acme/requests/new",
        "live": live.get_absolute_url(),
        "over": over.get_absolute_url(),
        "terminate": f"{live.get_absolute_url()}/terminate",
        "report": f"{over.get_absolute_url()}/report",
        "report of a live one": f"{live.get_absolute_url()}/report",
        "wire": f"{live.get_absolute_url()}/wire",
        "extension": f"{live.get_absolute_url()}/extend/preview",
    }
    shown = {name: browser.get(path).content.decode() for name, path in paths.items()}
    shown["error"] = browser.post(paths["new"], {"other": "203.0.113.7/24"}).content.decode()
    shown["preview"] = browser.post(
        "/organizations/acme/requests/preview", {"other": "203.0.113.7"}
    ).content.decode()
    shown["404"] = browser.get("/organizations/nowhere/").content.decode()
    shown["sign-in"] = Client().get("/sign-in").content.decode()
    return shown


def test_no_page_needs_an_exception_from_the_content_security_policy(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        for tag, attributes in Page(text).tags:
            assert "style" not in attributes, (name, tag)
            assert not [one for one in attributes if one.startswith("on")], (name, tag)
            assert tag != "style", name
            assert tag != "script" or attributes.get("src", "").startswith("/static/"), name
            assert not attributes.get("href", "").startswith("javascript:"), name


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_inline_styles_handlers_or_scripts(path: Path) -> None:
    text = path.read_text()
    if path.name == "mail.html":
        # A mail has no stylesheet, and no page shows it.
        text = re.sub(r'\sstyle="[^"]*"', "", text)

    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|hx-on|js:", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)


def test_every_page_has_one_h1_and_every_field_a_label(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        page = Page(text)
        labels = {one.get("for") for one in page.all("label")}
        assert len(page.all("h1")) == 1, name
        for field in [*page.all("input"), *page.all("select"), *page.all("textarea")]:
            if field.get("type") in ("hidden", "checkbox", "radio"):
                continue
            assert field.get("id") in labels or field.get("aria-label"), (name, field)


def test_no_id_is_used_twice(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        ids = [attributes["id"] for _, attributes in Page(text).tags if "id" in attributes]
        assert sorted(ids) == sorted(set(ids)), name


def test_links_lead_to_existing_pages(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        for link in Page(text).all("a"):
            target = link["href"].partition("#")[0].partition("?")[0]
            assert link["href"] != "#", name
            if target.startswith("/"):
                assert resolve(target), (name, target)


def test_every_used_icon_exists() -> None:
    used = {
        icon for path in TEMPLATES for icon in re.findall(r'{% icon "([\w-]+)"', path.read_text())
    }

    assert used <= set(ICONS)


def test_a_page_shows_its_time_without_javascript(pages: dict[str, str]) -> None:
    assert "Shown as of" in pages["live"]
    assert "Reload" in pages["live"]


def test_the_socket_continues_after_the_last_event_on_the_page(
    pages: dict[str, str], acme: Organization
) -> None:
    live = Page(pages["now"]).all("p")
    [indicator] = [one for one in live if one.get("id") == "live"]

    assert indicator["data-socket"] == "/ws/organizations/acme/events"
    assert int(indicator["data-seq"]) > 0


def test_no_forbidden_word_is_on_a_page(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        # Quotes from the wire are spelled as they were sent.
        ours = re.sub(r"<pre>.*?</pre>", " ", text, flags=re.DOTALL)
        words = re.sub(r"<[^>]+>", " ", ours)
        for forbidden in (
            "DOTS",
            "CoAP",
            "DTLS",
            "CBOR",
            "Celery",
            "invalid",
            "oops",
            "uccessfully",
        ):
            assert forbidden not in words, (name, forbidden)


def queries_of(browser: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(path).status_code == 200
    return len(captured)


def test_the_number_of_queries_does_not_grow_with_the_number_of_requests(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    filtering(mitigations_of(ask())[0])
    paths = ["/organizations/acme/", "/organizations/acme/requests"]
    before = [queries_of(browser, path) for path in paths]
    for _ in range(4):
        filtering(mitigations_of(ask(Strategy.PARALLEL))[0])

    assert [queries_of(browser, path) for path in paths] == before
    assert max(before) <= 20


def test_a_request_page_takes_a_known_number_of_queries(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request: MitigationRequest = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)

    assert queries_of(client_of(alice), request.get_absolute_url()) <= 22

"""The number to call when the network cannot help is on every page, and offered only if
it is set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings

from portal.accounts.models import User
from portal.core import views
from portal.core.formatting import tel
from portal.organizations.models import Membership, Organization, ProtectedResource
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, filtering, mitigations_of

LINK = 'href="tel:+15550100"'


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.fixture
def every_page(
    alice: User, bob: User, ask: Ask, client_of: ClientOf
) -> Callable[[], dict[str, str]]:
    """Every page for members and for others, including errors, by path."""
    request = ask()
    filtering(mitigations_of(request)[0])
    member, viewer, stranger = client_of(alice), client_of(bob), Client()
    acme, one = "/organizations/acme", request.get_absolute_url()
    paths = [
        f"{acme}/", f"{acme}/requests", f"{acme}/requests/new", f"{acme}/standby",
        f"{acme}/standby/new",
        f"{acme}/readiness", f"{acme}/readiness/drills", one, f"{one}/terminate", f"{one}/report",
        f"{one}/wire", f"{one}/extend/preview", "/organizations/nowhere/", f"{acme}/nothing",
    ]  # fmt: skip

    def every_page() -> dict[str, str]:
        pages = {path: text(member.get(path)) for path in paths}
        pages["refused"] = text(viewer.get(f"{acme}/requests/new"))
        pages["sign-in"] = text(stranger.get("/sign-in"))
        bare = RequestFactory().get("/")
        pages["400"] = text(views.bad_request(bare))
        pages["403"] = text(views.permission_denied(bare))
        pages["404"] = text(views.page_not_found(bare))
        pages["500"] = text(views.server_error(bare))
        pages["503"] = text(views.database_away(bare))
        pages["old form"] = text(Client(enforce_csrf_checks=True).post("/sign-in", {}))
        pages["API"] = text(stranger.get("/api/v1/docs/"))
        return pages

    return every_page


def test_every_page_ends_with_the_emergency_number(
    every_page: Callable[[], dict[str, str]],
) -> None:
    for name, page in every_page().items():
        footer = page[page.index("<footer") :]
        assert LINK in footer, name


@pytest.mark.parametrize("number", ["", "  ", "ask the desk"])
def test_no_page_offers_a_number_that_cannot_be_dialled(
    every_page: Callable[[], dict[str, str]], settings: Settings, number: str
) -> None:
    settings.PORTAL_EMERGENCY_PHONE = number

    for name, page in every_page().items():
        assert 'href="tel:"' not in page, name
        assert "Emergency:" not in page, name
        assert "Call ." not in page, name
        assert "call the number" not in page, name
        assert "Under attack" not in page, name


@pytest.fixture
def without_providers(
    alice_membership: Membership, client_of: ClientOf, alice: User
) -> Callable[[], str]:
    return lambda: text(client_of(alice).get("/organizations/acme/"))


@pytest.fixture
def alice_membership(alice: User, acme: Organization) -> Membership:
    return Membership.objects.get(user=alice, organization=acme)


def test_an_organization_without_a_provider_sees_the_emergency_number(
    without_providers: Callable[[], str], shop: ProtectedResource
) -> None:
    page = without_providers()

    assert "Not ready: there is no provider to ask." in page
    assert "Under attack now, call the number below." in page
    main = page[page.index("<main") : page.index("</main>")]
    assert f'class="btn" {LINK}' in main


def test_an_organization_without_a_provider_sees_no_missing_number(
    without_providers: Callable[[], str], settings: Settings
) -> None:
    settings.PORTAL_EMERGENCY_PHONE = ""

    page = without_providers()

    assert "An admin connects one under Settings." in page
    assert "the number below" not in page
    assert "tel:" not in page


@pytest.mark.parametrize(
    ("written", "link"),
    [
        ("+1 555 0142", "tel:+15550142"),
        ("+44 (0)20 7946 0958", "tel:+442079460958"),
        ("0800-123.456", "tel:0800123456"),
        ("+1 (555) 0142, 7#", "tel:+15550142,7#"),
        ("", ""),
        ("ask the desk", ""),
        ("\u0665", ""),
    ],
)
def test_a_number_becomes_a_tel_link(written: str, link: str) -> None:
    assert tel(written) == link

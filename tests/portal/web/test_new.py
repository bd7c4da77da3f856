from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.models import User
from portal.core.targets import PortRange, Targets
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Provider, Subscription
from tests.conftest import ClientOf
from tests.factories import ResourceFactory
from tests.portal.web.conftest import FORM, Ask, fixes_in, one_line, text_of, typed
from tests.portal.web.test_markup import Page


def test_a_clicked_resource_is_ticked(browser: Client, shop: ProtectedResource) -> None:
    page = browser.get(FORM, {"resource": str(shop.pk)}).content.decode()

    assert f'value="{shop.pk}" checked' in page
    assert "Traffic to 203.0.113.0/26 is diverted" in page
    assert "Any port and protocol. 1\u00a0hour, renews automatically." in page


def test_submitting_the_form_makes_one_request(browser: Client, shop: ProtectedResource) -> None:
    answer = browser.post(FORM, typed(resources=[str(shop.pk)]))
    again = browser.post(FORM, typed(resources=[str(shop.pk)]))

    request = MitigationRequest.objects.get()
    assert answer["Location"] == again["Location"] == f"{request.get_absolute_url()}#h"


def test_resubmitting_a_form_with_other_values_asks_for_confirmation(
    browser: Client, shop: ProtectedResource
) -> None:
    browser.post(FORM, typed(resources=[str(shop.pk)]))

    answer = browser.post(FORM, typed(resources=[str(shop.pk)], ports="443"))

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This form was already sent with other values." in page
    assert 'value="one-form"' not in page
    assert MitigationRequest.objects.count() == 1


def test_typed_targets_are_sorted_by_kind(browser: Client, acme: Organization) -> None:
    ResourceFactory.create(organization=acme, name="Names", kind="fqdn", value="shop.example")

    browser.post(FORM, typed(other="203.0.113.7, www.shop.example https://shop.example/pay"))

    scope = MitigationRequest.objects.get().scope
    assert scope == Targets.saved(
        prefixes=["203.0.113.7/32"],
        fqdns=["www.shop.example"],
        uris=["https://shop.example/pay"],
    )


def test_options_reach_the_request(
    browser: Client, shop: ProtectedResource, acme_tidewall: Subscription
) -> None:
    browser.post(
        FORM,
        typed(
            resources=[str(shop.pk)],
            ports="80, 8000–8080,443-444",
            protocols=["6", "17"],
            lifetime="14400",
            renew="0",
            strategy="parallel",
            choosing="1",
            subscriptions=[str(acme_tidewall.pk)],
            reason="Flood",
        ),
    )

    request = MitigationRequest.objects.get()
    assert request.ports == (PortRange(80, 80), PortRange(443, 444), PortRange(8000, 8080))
    assert (request.protocols, request.lifetime_s, request.auto_renew) == ((6, 17), 14400, False)
    assert request.subscriptions == (acme_tidewall.pk,)
    assert (request.strategy, request.reason) == ("parallel", "Flood")


WRONG = [
    ({}, "Choose at least one target.", 'href="#resources"'),
    (
        {"other": "203.0.113.7/24"},
        (
            "203.0.113.7/24 is not a network address: the part after /24 must be zero. Which did "
            "you mean?"
        ),
        'href="#other"',
    ),
    (
        {"other": "203.0.113.300"},
        "203.0.113.300 is not an address: 300 is more than 255.",
        'href="#other"',
    ),
    (
        {"other": "198.51.100.0/24"},
        "198.51.100.0/24 is not one of Acme’s verified resources.",
        'href="#other"',
    ),
    (
        {"other": "203.0.113.7", "ports": "443-80"},
        "The range 443–80 is reversed. Write 80–443.",
        'href="#ports"',
    ),
    ({"other": "203.0.113.7", "ports": "80,x"}, "x is not a port.", 'href="#ports"'),
    (
        {"other": "203.0.113.7", "lifetime": "999999"},
        "Acme allows at most 24 hours.",
        'href="#lifetime"',
    ),
    ({"other": "203.0.113.7", "lifetime": "soon"}, "soon is not a lifetime.", 'href="#lifetime"'),
    (
        {"other": "203.0.113.7", "strategy": "all"},
        "Choose one after the other or all at once.",
        'href="#strategy"',
    ),
    (
        {"other": "203.0.113.7", "choosing": "1"},
        "Choose at least one provider.",
        'href="#subscriptions"',
    ),
    (
        {"resources": ["not-an-id"]},
        "This resource is not verified or no longer exists.",
        'href="#resources"',
    ),
]


@pytest.mark.parametrize(("fields", "sentence", "link"), WRONG)
def test_errors_are_shown_at_the_field_and_on_top(
    browser: Client, fields: dict[str, Any], sentence: str, link: str
) -> None:
    answer = browser.post(FORM, typed(**fields))

    page = answer.content.decode()
    assert answer.status_code == 400
    assert "Nothing was sent." in page
    assert sentence in text_of(page)
    assert link in page
    assert "<title>Error: Request mitigation" in page
    assert not MitigationRequest.objects.exists()


def test_all_errors_are_listed_in_the_order_of_the_page(browser: Client) -> None:
    answer = browser.post(FORM, typed(other="203.0.113.300", ports="x, 443-80", lifetime="1"))

    page = answer.content.decode()
    assert "Nothing was sent. Correct four things." in text_of(page)
    links = re.findall(r'<li><a href="#(\w+)">', one_line(page))
    assert links == ["other", "ports", "ports", "lifetime"]


def test_typed_values_are_kept_and_the_section_with_an_error_is_open(
    browser: Client, shop: ProtectedResource
) -> None:
    answer = browser.post(
        FORM, typed(resources=[str(shop.pk)], ports="443–80", reason="Since <03:05>", renew="0")
    )

    page = one_line(answer.content.decode())
    assert f'value="{shop.pk}" checked' in page
    assert 'value="443–80"' in page
    assert "Since &lt;03:05&gt;" in page
    assert '<details class="fold" id="options" open>' in page
    assert 'name="renew" value="0" checked' in page


def test_a_fix_button_corrects_the_value_and_sends_nothing(browser: Client) -> None:
    refused = browser.post(FORM, typed(other="203.0.113.8, 203.0.113.7/24")).content.decode()
    fixes = fixes_in(refused)

    fixed = browser.post(FORM, typed(other="203.0.113.8, 203.0.113.7/24", fix=fixes[0][0]))

    assert [label for _, label in fixes] == ["Only 203.0.113.7", "All 256 of 203.0.113.0/24"]
    assert fixed.status_code == 200
    assert 'value="203.0.113.8, 203.0.113.7/32"' in fixed.content.decode()
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize(
    "fix",
    [
        "",
        "nonsense",
        "in=other&wrong=203.0.113.9&by=x&ports=80",
        "in=ports&wrong=1&by=2",
        "%",
        "&x=1" * 5000,
    ],
)
def test_a_fix_that_does_not_fit_changes_nothing(browser: Client, fix: str) -> None:
    answer = browser.post(FORM, typed(other="203.0.113.7", fix=fix))

    assert 'value="203.0.113.7"' in answer.content.decode()


@pytest.mark.parametrize("path", [FORM, "/organizations/acme/standby/new"])
def test_enter_neither_submits_an_incomplete_form_nor_applies_a_fix(
    browser: Client, path: str
) -> None:
    """Browsers click the first button of a form when a person presses Enter in a field or on a
    checkbox.
    """
    page = browser.post(path, typed(other="203.0.113.7/24", name="x")).content.decode()
    form = page[page.index('<form id="ask"') :]
    first = Page(form).all("button")[0]

    answer = browser.post(
        path, typed(other="203.0.113.7", name="x") | {first["name"]: first["value"]}
    )

    assert answer.status_code == 200
    assert "Nothing has been sent." in answer.content.decode()
    assert 'value="203.0.113.7"' in answer.content.decode()
    assert not MitigationRequest.objects.exists()


def test_the_form_says_that_there_is_no_provider_to_ask(
    alice: User, shop: ProtectedResource, client_of: ClientOf, settings: Any
) -> None:
    settings.PORTAL_EMERGENCY_PHONE = "+1 555 0199"

    page = client_of(alice).get(FORM).content.decode()

    assert "There is no provider to ask." in text_of(page)
    assert "It stays on until you terminate it." not in page
    assert "Send request" not in page
    assert 'href="tel:+15550199"' in page[page.index('id="send-acts"') :]


def test_the_send_button_is_not_prominent_if_no_provider_may_protect_the_target(
    browser: Client, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    fields = typed(other="203.0.113.7", choosing="1", check="1")

    page = browser.post(FORM, fields).content.decode()

    assert "none of the selected providers may protect this" in page
    assert "It stays on until you terminate it." not in page
    send = next(one for one in Page(page).all("button") if one.get("id") == "send")
    assert "btn--plain" in send["class"]


def test_checking_while_typing_sends_nothing_and_reports_no_missing_fields(browser: Client) -> None:
    wrong = browser.post(FORM, typed(other="203.0.113.300", check="1")).content.decode()
    empty = browser.post(FORM, typed(check="1")).content.decode()

    assert "300 is more than 255" in wrong
    assert 'id="will" hx-swap-oob="true"' in wrong
    assert "Choose at least one target" not in empty
    assert not MitigationRequest.objects.exists()


def test_three_resources_are_shown_and_the_rest_collapsed(
    browser: Client, acme: Organization
) -> None:
    ResourceFactory.create_batch(3, organization=acme)

    page = one_line(browser.get(FORM).content.decode())
    assert "Show 1 more resource<" in page
    assert "data-filters" not in page

    ResourceFactory.create_batch(6, organization=acme)
    assert "data-filters" in browser.get(FORM).content.decode()


def test_request_again_fills_the_form_from_the_previous_request(browser: Client, ask: Ask) -> None:
    earlier = ask()
    MitigationRequest.objects.filter(pk=earlier.pk).update(
        ports=(PortRange(443, 443),), protocols=(6,)
    )

    page = browser.get(FORM, {"again": str(earlier.pk)}).content.decode()

    assert 'value="443"' in page
    assert "UDP flood" in page
    assert "TCP, port 443." in page


def test_another_organizations_request_fills_nothing(
    charlie: User, ask: Ask, client_of: ClientOf, globex_northgate: Subscription
) -> None:
    earlier = ask()

    page = client_of(charlie).get("/organizations/globex/requests/new", {"again": str(earlier.pk)})

    assert "UDP flood" not in page.content.decode()


def test_a_lifetime_limit_of_a_provider_is_shown_beside_the_field(
    browser: Client, tidewall: Provider
) -> None:
    tidewall.max_lifetime_s = 14400
    tidewall.save(update_fields=["max_lifetime_s"])

    page = browser.get(FORM).content.decode()

    assert "At most 4\u00a0hours at Tidewall." in page


@pytest.mark.parametrize(
    ("approval", "other", "sentence", "waits"),
    [
        ("never", "203.0.113.7", "No approval needed.", False),
        ("all", "203.0.113.7", "Acme’s policy asks a second person for every request.", True),
        ("automatic", "203.0.113.7", "No approval needed.", False),
        ("larger", "", "A prefix larger than a /27 (IPv6: a /48) needs approval.", False),
        ("larger", "203.0.113.0/28", "A prefix larger than a /27", False),
        ("larger", "203.0.113.0/26", "asks a second person for prefixes larger than a /27.", True),
    ],
)
def test_the_form_says_whether_a_second_person_approves_first(
    browser: Client,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    approval: str,
    other: str,
    sentence: str,
    waits: bool,
) -> None:
    acme.approval, acme.approval_prefix_v4 = approval, 27
    acme.save()

    page = one_line(browser.post(FORM, typed(other=other, check="1")).content.decode())

    assert sentence in page
    assert ("Nothing is sent until another person approves it." in page) == waits


def test_the_form_of_a_suspended_organization_offers_no_sending(
    browser: Client, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> None:
    acme.suspended_at, acme.suspension_reason = timezone.now(), "Unpaid since September"
    acme.save()

    page = browser.get(FORM).content.decode()

    assert "This form cannot be sent." in page
    assert "Send request" not in page
    assert "at once" not in one_line(page.partition('id="will"')[2].partition("</div>")[0])

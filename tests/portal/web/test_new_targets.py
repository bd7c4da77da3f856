"""Targets as people type and paste them into the form of a new request."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from portal.core.targets import PortRange
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Provider, Subscription
from portal.web.requests.request_form import MAX_ERRORS, MAX_TYPED, RequestForm
from tests.factories import ResourceFactory
from tests.portal.web.conftest import FORM, fixes_in, one_line, text_of, typed


@pytest.mark.parametrize("text", ["\0", "²", "9" * 5000, "٣"])
def test_invalid_characters_get_an_error_message(browser: Client, text: str) -> None:
    fields = typed(other=text, ports=text, lifetime=text, protocols=[text], key=text)

    assert browser.post(FORM, fields).status_code == 400


OLD, NEW = "203.0.113.7", "203.0.113.40"


@pytest.fixture
def limited(acme_northgate: Subscription, acme_tidewall: Subscription) -> None:
    """Northgate may protect the lower half of the shop, Tidewall everything that Acme may
    request.
    """
    Subscription.objects.filter(pk=acme_northgate.pk).update(limited_to=["203.0.113.0/27"])


def checked(browser: Client, **fields: Any) -> str:
    answer = browser.post(FORM, typed(check="1", choosing="1", **fields))
    return text_of(answer.content.decode().replace("\u00a0", " ").replace("&nbsp;", " "))


def test_the_form_shows_which_provider_may_protect_each_target(
    browser: Client,
    limited: None,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    every = [str(acme_northgate.pk), str(acme_tidewall.pk)]

    mixed = checked(browser, other=f"{OLD} {NEW}", subscriptions=every)
    alone = checked(browser, other=NEW, subscriptions=every)
    nobody = checked(browser, other=NEW, subscriptions=every[:1])

    assert "Only Tidewall may protect 203.0.113.40/32." in mixed
    assert "Goes to Northgate and Tidewall at once, each for the targets it may protect." in mixed
    assert "Northgate and Tidewall at once, each for its own targets." in mixed
    assert "Goes to Tidewall at once." in alone
    assert (
        "None of the selected providers may protect 203.0.113.40/32: Northgate may protect only"
        in nobody
    )
    assert "no provider: none of the selected providers may protect this." in nobody
    assert not MitigationRequest.objects.exists()


def test_a_target_no_provider_may_protect_is_an_error_at_its_field(
    browser: Client, limited: None, acme_northgate: Subscription
) -> None:
    answer = browser.post(
        FORM, typed(other=NEW, choosing="1", subscriptions=[str(acme_northgate.pk)])
    )

    page = answer.content.decode()
    assert answer.status_code == 400
    assert (
        "None of the selected providers may protect 203.0.113.40/32: Northgate may protect only"
        in page
    )
    assert 'id="other-e"' in page
    assert 'aria-invalid="true"' in page


def test_a_limit_of_one_provider_is_shown_and_the_other_is_asked(
    browser: Client, northgate: Provider, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    Provider.objects.filter(pk=northgate.pk).update(max_port_ranges=1)
    every = [str(acme_northgate.pk), str(acme_tidewall.pk)]

    page = checked(browser, other=OLD, ports="80, 443", subscriptions=every)

    assert "Northgate accepts at most 1 port range. The portal does not ask it." in page
    assert "Goes to Tidewall at once." in page


def test_each_provider_gets_its_own_targets(
    browser: Client, limited: None, acme_tidewall: Subscription
) -> None:
    browser.post(FORM, typed(other=f"{OLD} {NEW}"))

    [north, tide] = MitigationRequest.objects.get().mitigations.order_by("position")
    assert list(north.scope.texts) == ["203.0.113.7/32"]
    assert list(tide.scope.texts) == ["203.0.113.40/32", "203.0.113.7/32"]


PASTED = [
    # what is typed, what the button says, and the fields after it was clicked
    (
        {"other": "a.example 203.0.113.4-9; 203.0.113.20"},
        "Use 203.0.113.4/30 and 203.0.113.8/31",
        {"other": "a.example 203.0.113.4/30, 203.0.113.8/31; 203.0.113.20"},
    ),
    (
        {"other": "203.0.113.4 - 203.0.113.9"},
        "Use 203.0.113.4/30 and 203.0.113.8/31",
        {"other": "203.0.113.4/30, 203.0.113.8/31"},
    ),
    (
        {"other": "203.0.113.7:443", "ports": "80"},
        "Use 203.0.113.7 and port 443",
        {"other": "203.0.113.7/32", "ports": "80, 443"},
    ),
    (
        {"other": "203.0.113.7:443", "ports": "any"},
        "Use 203.0.113.7 and port 443",
        {"other": "203.0.113.7/32", "ports": "443"},
    ),
    (
        {"other": "tcp://203.0.113.7:80"},
        "Use 203.0.113.7, port 80 and TCP",
        {"other": "203.0.113.7/32", "ports": "80", "protocols": "6"},
    ),
    ({"other": "203.0.113.*"}, "Use 203.0.113.0/24", {"other": "203.0.113.0/24"}),
    ({"other": "203.000.113.007"}, "Use 203.0.113.7", {"other": "203.0.113.7/32"}),
    (
        {"other": "203.0.113.7", "ports": "443; 80/tcp"},
        "Use port 80 and TCP",
        {"other": "203.0.113.7", "ports": "443; 80", "protocols": "6"},
    ),
    (
        {"other": "203.0.113.7", "ports": "80, any"},
        "Leave out any",
        {"other": "203.0.113.7", "ports": "80"},
    ),
    (
        {"other": "203.0.113.7", "ports": "udp 53"},
        "Use UDP",
        {"other": "203.0.113.7", "ports": "53", "protocols": "17"},
    ),
]


@pytest.mark.parametrize(("fields", "label", "after"), PASTED, ids=lambda one: str(one)[:40])
def test_a_fix_button_inserts_the_correction_and_keeps_the_rest(
    browser: Client,
    shop: ProtectedResource,
    fields: dict[str, str],
    label: str,
    after: dict[str, str],
) -> None:
    kept = {"reason": "Since 03:05", "renew": "0", "lifetime": "14400", "resources": [str(shop.pk)]}
    refused = browser.post(FORM, typed(**fields, **kept))
    buttons = {words: fix for fix, words in fixes_in(refused.content.decode())}

    answer = browser.post(FORM, typed(**fields, **kept, fix=buttons[label]))
    fixed = one_line(answer.content.decode())

    assert refused.status_code == 400
    for name in ("other", "ports"):
        assert f'name="{name}" type="text" value="{after.get(name, "")}"' in fixed
    if "protocols" in after:
        assert f'name="protocols" value="{after["protocols"]}" checked' in fixed
    assert "Since 03:05" in fixed
    assert 'name="renew" value="0" checked' in fixed
    assert f'value="{shop.pk}" checked' in fixed
    assert not MitigationRequest.objects.exists()


def test_pasted_decorated_targets_are_sent_in_normal_form(browser: Client) -> None:
    browser.post(
        FORM,
        typed(
            other=(
                "\ufeff“203[.]0[.]113[.]7”, (203.0.113.8); 203.0.113.32 255.255.255.248 "
                "|2０3.0.113.9"
            ),
            ports="http https\n8000..8100",
        ),
    )

    request = MitigationRequest.objects.get()
    assert list(request.scope.texts) == [
        "203.0.113.32/29", "203.0.113.7/32", "203.0.113.8/32", "203.0.113.9/32",
    ]  # fmt: skip
    assert request.ports == (PortRange(80, 80), PortRange(443, 443), PortRange(8000, 8100))


def test_an_internationalized_name_is_shown_in_both_forms(
    browser: Client, acme: Organization
) -> None:
    ResourceFactory.create(organization=acme, name="Shop", kind="fqdn", value="xn--fa-hia.example")
    ResourceFactory.create(organization=acme, name="Old", kind="fqdn", value="fuss.example")

    page = text_of(browser.get(FORM).content.decode())
    checked = text_of(browser.post(FORM, typed(other="FAß.example", check="1")).content.decode())
    other = text_of(browser.post(FORM, typed(other="fuß.example", check="1")).content.decode())

    assert "faß.example (xn--fa-hia.example)" in page
    assert "Traffic to faß.example (xn--fa-hia.example) is diverted" in checked
    assert "fuß.example (xn--fu-hia.example) is not one of Acme’s verified resources." in other
    assert "fuss.example is, but that is another domain" in other


@pytest.mark.parametrize(
    "unit", ["a ", "1 ", ". ", "[( ", "é ", "203.0.113.4-9 ", "xn--a.b ", "80/tcp "]
)
def test_a_field_full_of_garbage_is_refused_quickly(unit: str) -> None:
    garbage = QueryDict(mutable=True)
    garbage.update(
        {"other": (unit * MAX_TYPED)[:MAX_TYPED], "ports": (unit * MAX_TYPED)[:MAX_TYPED]}
    )
    began = time.process_time()

    form = RequestForm.typed(garbage)
    _, unread = form.submission()
    form = form.with_errors(unread)

    assert len(form.errors) <= MAX_ERRORS
    # A tenth of that is usual; with an error for each piece it took eight seconds.
    assert time.process_time() - began < 1

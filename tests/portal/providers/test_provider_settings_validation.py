"""Settings of a provider or subscription that could never work are refused at their field with a
sentence.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import pytest
from django.db.models import JSONField, Value
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.models import User
from portal.core import secrets
from portal.core.errors import Invalid
from portal.organizations.models import Organization
from portal.providers import services
from portal.providers.models import Provider, Subscription
from portal.providers.validation import checked_host
from tests.conftest import ClientOf
from tests.dots_client.authority import Authority
from tests.dots_client.credentials.made import DAY, NOW, certificate, ec_key, key_pem
from tests.dots_client.credentials.odd import (
    SECT283K1_CHAIN,
    SECT283K1_KEY,
    SM2_CHAIN,
    SM2_KEY,
)
from tests.factories import ProviderFactory

ROOT = Authority("Root")
KEY = ec_key()
OWN, SECRET = certificate(KEY, by=ROOT).decode(), key_pem(KEY).decode()
BAG = "Bag Attributes\n    friendlyName: Rechenzentrum Köln\n"
BOM = "\ufeff"


@pytest.fixture
def staff(mo: User, client_of: ClientOf) -> Client:
    return client_of(mo)


def provider_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Harbour Scrubbing",
        "short_name": "Harbour",
        "phone": "+1 555 0188",
        "host": "dots.harbour.example",
        "port": "4646",
        "server_name": "dots.harbour.example",
        "transports": ["dtls", "tls"],
        "trust_anchors": ROOT.pem.decode(),
        "path_kind": "direct",
        **fields,
    }


def added(staff: Client, **fields: Any) -> tuple[str, Provider | None]:
    answer = staff.post("/admin/providers/provider/add/", provider_form(**fields))
    assert answer.status_code in (200, 302)
    return answer.content.decode(), Provider.objects.filter(short_name="Harbour").first()


# providers


def test_working_settings_are_saved_in_normal_form(staff: Client) -> None:
    text = BOM + BAG + ROOT.pem.decode() + "– Ende"
    _, provider = added(
        staff, host=" DOTS.Harbour.example. ", server_name="dots.büro.example", trust_anchors=text
    )

    assert provider is not None
    assert (provider.host, provider.server_name) == (
        "dots.harbour.example",
        "dots.xn--bro-hoa.example",
    )
    assert provider.trust_anchors == ROOT.pem.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("host", "coaps://dots.example.com:4646/", "Write dots.example.com, and 4646 as the port."),
        ("host", "dots.example.com:4646", "Write dots.example.com, and 4646 as the port."),
        ("host", "[2001:db8::1]", "Write 2001:db8::1."),
        ("host", "[2001:db8::1]:4646", "Write 2001:db8::1, and 4646 as the port."),
        ("host", "https://dots.example.com/path", "Write dots.example.com."),
        ("host", "dots.example.com/", "Write dots.example.com."),
        ("host", "a..b", "a..b is not a host."),
        ("host", "dots example", "dots example is not a host."),
        ("host", "203.0.113.300", "203.0.113.300 is not a host."),
        ("host", "0.0.0.0", "0.0.0.0 is not a host."),
        ("host", "224.0.0.1", "224.0.0.1 is not a host."),
        ("host", "-dots.example", "-dots.example is not a host."),
        ("server_name", "*.example.com", "*.example.com is not a host."),
        ("server_name", "https://dots.example.com", "Write dots.example.com."),
        ("port", "0", "A port is 1 to 65535."),
        ("port", "65536", "A port is 1 to 65535."),
        ("max_lifetime_s", "0",
        "Write 30 to 4,294,967,295 seconds, or leave it empty if it is not known."),
        ("max_lifetime_s", "4294967296", "Write 30 to"),
        ("max_targets", "0", "Write at least 1, or leave it empty if it is not known."),
        ("trust_anchors", "hello", "This is no certificate."),
        ("trust_anchors", SECRET, "There is a private key in this text."),
        ("trust_anchors", ROOT.pem.decode() + SECRET, "There is a private key in this text."),
        ("trust_anchors", ROOT.pem.decode()[:-30], "The certificate is cut off"),
        ("trust_anchors", OWN, "is not an authority"),
        ("trust_anchors", certificate(ec_key(), "Old", ends=NOW - DAY).decode(),
        "The certificate of Old expired on"),
        ("transports", [], "This field is required."),
    ],
)  # fmt: skip
def test_settings_that_could_never_work_are_refused_at_their_field(
    staff: Client, field: str, value: Any, words: str
) -> None:
    page, provider = added(staff, **{field: value})

    assert provider is None
    # As on the page: Django escapes an apostrophe.
    assert words in page.replace("&#x27;", "'")
    assert "is violated" not in page


def test_a_key_pasted_as_an_authority_is_never_saved(staff: Client) -> None:
    added(staff, trust_anchors=SECRET)

    assert not Provider.objects.filter(trust_anchors__contains="PRIVATE").exists()


def test_old_invalid_values_do_not_block_a_change_of_the_phone_number(
    staff: Client,
) -> None:
    old = ProviderFactory.create(host="coaps://old.example", trust_anchors="hello")
    form = provider_form(
        name=old.name, host=old.host, server_name=old.server_name, trust_anchors="hello", phone="9"
    )

    staff.post(f"/admin/providers/provider/{old.pk}/change/", form)

    old.refresh_from_db()
    assert old.phone == "9"


@given(st.text(max_size=60) | st.from_regex(r"[a-z\[\]:/.@%0-9]{0,40}", fullmatch=True))
def test_any_text_is_a_host_or_refused_with_a_sentence(text: str) -> None:
    try:
        host = checked_host(text)
    except Invalid as error:
        raised = error
    else:
        assert checked_host(host) == host
        assert host.isascii()
        return
    assert raised.message.isprintable()


def test_a_new_provider_is_offered_both_transports(staff: Client) -> None:
    page = staff.get("/admin/providers/provider/add/").content.decode()

    boxes = re.findall(r'<input type="checkbox" name="transports"[^>]*>', page)
    assert len(boxes) == 2
    assert all("checked" in box for box in boxes), boxes


# subscriptions


def test_a_new_subscription_has_no_fields_of_a_session_yet(staff: Client) -> None:
    page = staff.get("/admin/providers/subscription/add/").content.decode()

    assert "Client certificate (PEM)" in page
    assert "Session state" not in page


@pytest.mark.parametrize("enabled", [True, False])
def test_a_new_subscription_is_enabled_as_ticked_and_named_by_its_parties(
    staff: Client, acme: Organization, northgate: Provider, *, enabled: bool
) -> None:
    page = staff.post(
        "/admin/providers/subscription/add/",
        {
            "organization": str(acme.pk),
            "provider": str(northgate.pk),
            "priority": "1",
            **({"enabled": "on"} if enabled else {}),
            "new_certificate_chain": OWN,
            "new_private_key": SECRET,
        },
        follow=True,
    ).content.decode()

    assert Subscription.objects.get().enabled is enabled
    assert f"{acme} at {northgate}" in page


@pytest.fixture
def subscribe(staff: Client, acme: Organization, northgate: Provider) -> Any:
    def subscribe(chain: str, key: str, limited_to: str = "") -> str:
        answer = staff.post(
            "/admin/providers/subscription/add/",
            {
                "organization": str(acme.pk),
                "provider": str(northgate.pk),
                "priority": "1",
                "enabled": "on",
                "new_certificate_chain": chain,
                "new_private_key": key,
                "limited_to": limited_to,
            },
        )
        assert answer.status_code in (200, 302)
        return answer.content.decode()

    return subscribe


def test_limits_that_cannot_be_read_are_shown_and_can_be_corrected(
    subscribe: Any, staff: Client
) -> None:
    subscribe(OWN, SECRET)
    subscription = Subscription.objects.get()
    Subscription.objects.update(limited_to=Value(["203.0.113.7/24"], JSONField()))
    page = f"/admin/providers/subscription/{subscription.pk}/change/"
    typed = {"priority": "1", "enabled": "on"}

    shown = staff.get(page).content.decode()
    refused = staff.post(page, typed | {"limited_to": "203.0.113.7/24"}).content.decode()
    corrected = staff.post(page, typed | {"limited_to": "203.0.113.0/24"})

    assert "203.0.113.7/24" in shown
    assert "is not a network address" in refused
    assert corrected.status_code == 302
    assert Subscription.objects.get().limited_to == (ip_network("203.0.113.0/24"),)


def test_pasted_limits_are_read_or_refused_with_a_suggestion(subscribe: Any) -> None:
    refused = subscribe(OWN, SECRET, "203.0.113.4 - 203.0.113.9")
    assert "is a range of 6 addresses" in refused
    assert "Use 203.0.113.4/30 and 203.0.113.8/31." in refused
    assert not Subscription.objects.exists()

    subscribe(OWN, SECRET, "203.0.113.0 255.255.255.192, “198.51.100.0/24”;")
    assert Subscription.objects.get().limited_to == (
        ip_network("198.51.100.0/24"),
        ip_network("203.0.113.0/26"),
    )


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (OWN, SECRET),
        (BOM + OWN, BOM + SECRET),
        (BAG + OWN + BAG + ROOT.pem.decode(), BAG + SECRET),
        (OWN + SECRET, SECRET),
    ],
)
def test_only_the_certificates_of_a_pasted_chain_are_saved(
    subscribe: Any, chain: str, key: str
) -> None:
    subscribe(chain, key)

    kept = Subscription.objects.get()
    assert kept.certificate_chain in (OWN, OWN + ROOT.pem.decode())
    assert secrets.decrypt(kept.private_key).decode() == SECRET


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        (SECT283K1_CHAIN.decode(), SECT283K1_KEY.decode(),
        "This kind of private key is not supported."),
        (SM2_CHAIN.decode(), SM2_KEY.decode(), "This kind of private key is not supported."),
        (OWN + "-----BEGIN CERTIFICATE-----\nMIIB\n", SECRET, "Certificate 2 of 2 is cut off"),
        (OWN + ROOT.pem.decode().replace("MI", "!!", 1), SECRET,
        "Certificate 2 of 2 cannot be read."),
        (OWN, key_pem(ec_key()).decode(), "The key does not belong to the certificate."),
        (certificate(KEY, ends=NOW - DAY).decode(), SECRET, "The certificate expired on"),
        ("x" * 150_000, SECRET, "at most 131,072 are read"),
        ("日本" * 1000, "Köln", "This is no private key."),
    ],
)  # fmt: skip
def test_an_identity_that_could_never_work_is_refused_at_its_field(
    subscribe: Any, chain: str, key: str, words: str
) -> None:
    assert words in subscribe(chain, key)
    assert not Subscription.objects.exists()


def test_an_identity_of_another_organization_is_refused_at_its_field(
    subscribe: Any, globex: Organization, northgate: Provider
) -> None:
    own = services.Identity(certificate_chain=OWN.encode(), private_key=SECRET.encode())
    services.subscribe(organization=globex, provider=northgate, identity=own, priority=1)

    assert "This certificate is already used with Northgate Scrubbing." in subscribe(OWN, SECRET)


def test_a_renewed_certificate_is_checked_like_the_first(
    staff: Client, acme_northgate: Subscription
) -> None:
    before = acme_northgate.certificate_chain

    page = staff.post(
        f"/admin/providers/subscription/{acme_northgate.pk}/change/",
        {
            "priority": "1",
            "enabled": "on",
            "new_certificate_chain": certificate(KEY, begins=timezone.now() + DAY).decode(),
            "new_private_key": SECRET,
        },
    )

    assert "Enter it then." in page.content.decode()
    assert Subscription.objects.get().certificate_chain == before

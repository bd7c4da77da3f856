"""The pages of providers: connect, renew, order, disconnect; every error is at its field."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portal.accounts.models import User
from portal.organizations.models import Organization
from portal.providers.models import ClientKey, Provider, Subscription
from portal.providers.services import Identity
from tests.conftest import ClientOf
from tests.portal.connections.certificates import Authority, key_pem, new_key, p12, pem
from tests.portal.providers.identities import identity

URL = "/organizations/acme/settings/providers"


@pytest.fixture
def browser(alice: User, acme: Organization, client_of: ClientOf) -> Client:
    return client_of(alice)


@pytest.fixture
def page(northgate: Provider) -> str:
    return f"{URL}/{northgate.pk}"


def file_of(data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("file.pem", data)


def pasted(own: Identity) -> dict[str, str]:
    return {
        "certificate_chain": own.certificate_chain.decode(),
        "private_key": own.private_key.decode(),
    }


def test_a_provider_is_connected_with_a_key_made_here(browser: Client, page: str) -> None:
    made = browser.post(f"{page}/key", follow=True).content.decode()
    assert "Have this request signed" in made

    request = browser.get(f"{page}/key/request.csr")
    assert request["Content-Disposition"].startswith('attachment; filename="acme-')
    signed = Authority().sign_request(request.content.decode())
    done = browser.post(
        f"{page}/certificate", {"certificate_chain_file": file_of(signed)}, follow=True
    )

    assert Subscription.objects.get().certificate_chain.encode() == signed
    assert "acme: valid until" in done.content.decode()


def test_pasted_texts_do_too(browser: Client, page: str) -> None:
    own = identity()

    browser.post(
        f"{page}/files",
        pasted(own),
    )

    assert Subscription.objects.get().enabled


def test_a_pkcs12_file_does_too(browser: Client, page: str) -> None:
    key, authority = new_key(), Authority()
    data = p12(key, authority.sign(key.public_key()), authority.certificate)

    browser.post(f"{page}/pkcs12", {"pkcs12_file": file_of(data), "password": "secret"})

    assert Subscription.objects.get().enabled


@pytest.mark.parametrize(
    ("form", "sent", "at", "message"),
    [
        ("files", {"certificate_chain": "x"}, "key-e", "Choose a file, or paste the text"),
        ("files", {"certificate_chain": "x", "private_key": "x"}, "key-e", "no private key"),
        ("pkcs12", {"password": "x"}, "p12-e", "Choose a file"),
        ("pkcs12", {"pkcs12_file": "0\x82", "password": "x"}, "p12-password-e", "cannot be read"),
    ],
)
def test_an_error_is_at_its_field(
    browser: Client, page: str, form: str, sent: dict[str, str], at: str, message: str
) -> None:
    files: dict[str, Any] = {
        name: file_of(text.encode("latin-1")) if name.endswith("_file") else text
        for name, text in sent.items()
    }

    answer = browser.post(f"{page}/{form}", files)

    shown = answer.content.decode()
    assert answer.status_code == 400
    assert message in shown.partition(f'id="{at}"')[2][:900]
    assert not Subscription.objects.exists()


def test_a_key_that_was_typed_is_never_shown_again(browser: Client, page: str) -> None:
    key = key_pem(new_key()).decode()
    chain = pem(Authority().sign(new_key().public_key())).decode()

    answer = browser.post(f"{page}/files", {"certificate_chain": chain, "private_key": key})

    assert answer.status_code == 400
    assert key.splitlines()[1] not in answer.content.decode()


def test_without_a_fresh_factor_the_form_asks_for_a_code_and_keeps_no_key(
    browser: Client, page: str
) -> None:
    session = browser.session
    session["factor_at"] = 0.0
    session.save()
    own = identity()
    sent = pasted(own)

    answer = browser.post(f"{page}/files", sent)

    shown = answer.content.decode()
    assert answer.status_code == 400
    assert "Enter a code, and the files again" in shown
    assert own.private_key.decode().splitlines()[1] not in shown
    assert not Subscription.objects.exists()


def test_a_new_certificate_waits_until_it_is_used(
    browser: Client, page: str, acme_northgate: Subscription
) -> None:
    own = identity()
    sent = pasted(own)

    waiting = browser.post(f"{page}/files", sent, follow=True).content.decode()
    assert "It waits beside the one in use" in waiting
    browser.post(f"{page}/use")

    assert Subscription.objects.get().certificate_chain.encode() == own.certificate_chain
    assert not ClientKey.objects.exists()


def test_a_key_that_waits_can_be_discarded(browser: Client, page: str) -> None:
    browser.post(f"{page}/key")

    browser.post(f"{page}/key/discard")

    assert not ClientKey.objects.exists()
    assert browser.get(f"{page}/key/request.csr").status_code == 404


def test_the_question_says_what_disconnecting_means(
    browser: Client, page: str, acme_northgate: Subscription
) -> None:
    assert "forgets its key" in browser.get(f"{page}/disconnect").content.decode()

    answer = browser.post(f"{page}/disconnect", follow=True)

    assert "is disconnected" in answer.content.decode()
    assert Subscription.objects.get().is_disconnected


def test_a_viewer_sees_the_order_and_no_forms(
    bob: User, acme_northgate: Subscription, page: str, client_of: ClientOf
) -> None:
    browser = client_of(bob)

    shown = browser.get(URL).content.decode() + browser.get(page).content.decode()

    assert "Northgate" in shown
    assert "Make a key" not in shown
    assert "Disconnect" not in shown


def test_another_organization_finds_nothing(charlie: User, page: str, client_of: ClientOf) -> None:
    browser = client_of(charlie)

    assert browser.get(URL).status_code == 404
    assert browser.get(page).status_code == 404
    assert browser.post(f"{page}/key").status_code == 404

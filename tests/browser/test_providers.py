"""An admin connects, tests and renews on the page of a provider."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import (
    expect_passed_test,
    let_the_factor_age,
    own_certificate,
    press,
    send_certificate,
)
from tests.browser.test_people import look
from tests.integration.stack import control

PROVIDERS = "/organizations/globex/settings/providers"

pytestmark = [pytest.mark.usefixtures("calm"), pytest.mark.timeout(420)]


def test_an_admin_renews_the_certificate_and_tests_the_connection(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    charlie, secret = page_of("charlie"), portal.secrets.totp_secrets["charlie"]
    charlie.goto(PROVIDERS)
    look(charlie)
    charlie.get_by_role("link", name="Northgate Scrubbing").click()
    look(charlie, "Northgate Scrubbing")

    press(charlie, "Make a key", secret, done=charlie.get_by_text("1. Have this request signed"))
    look(charlie)
    send_certificate(charlie, portal, "northgate", days=20)
    expect(charlie.locator("main")).to_contain_text("The certificate was saved.")
    expect_passed_test(charlie, r"The new certificate worked")
    charlie.reload()

    used = charlie.locator("section", has=charlie.get_by_role("heading", name="Certificate in use"))
    expect(used).to_contain_text("Renew it: afterwards Northgate accepts no request.")
    look(charlie)
    press(charlie, "Test connection", secret, done=charlie.get_by_text("Testing…"))
    expect_passed_test(charlie, r"The connection worked")

    charlie.goto(PROVIDERS)
    expect(charlie.locator("ol .warned")).to_contain_text("in 19\u00a0days")
    look(charlie)
    charlie.goto("/organizations/globex/readiness")
    row = charlie.locator("[data-code=certificate]", has_text="Northgate")
    row.get_by_role("link", name="Renew").click()
    expect(charlie.locator("h1")).to_contain_text("Northgate Scrubbing: connected")


def test_a_drill_starts_on_the_page_of_a_tested_provider(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    charlie, secret = page_of("charlie"), portal.secrets.totp_secrets["charlie"]
    charlie.goto(PROVIDERS)
    charlie.get_by_role("link", name="Tidewall").click()
    press(charlie, "Test connection", secret, done=charlie.get_by_text("Testing…"))
    expect_passed_test(charlie, r"The connection worked")

    charlie.get_by_role("button", name="Run a first drill").click()

    passed = charlie.locator("table.drill").first.get_by_text("Passed")
    expect(passed).to_have_count(2)
    for provider in ("northgate", "tidewall"):
        held = control(portal, provider, "/state")["mitigations"]
        own = [one for one in held if one["client"] == "globex"]
        assert not [one for one in own if one["status"] < 5 or one["status"] == 8]
    charlie.goto(PROVIDERS)
    charlie.get_by_role("link", name="Tidewall").click()
    expect(charlie.get_by_role("button", name="Run a drill")).to_be_visible()


def test_a_wrong_file_is_refused_at_its_field_and_a_form_with_files_asks_for_its_code(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    charlie = page_of("charlie")
    let_the_factor_age(portal, "charlie")
    charlie.goto(PROVIDERS)
    charlie.get_by_role("link", name="Tidewall").click()
    expect(charlie.locator("h1")).to_contain_text("Tidewall")
    charlie.get_by_text("Upload a PKCS#12 file").click()
    look(charlie)
    file = {"name": "client.p12", "mimeType": "application/x-pkcs12", "buffer": b"no PKCS#12"}
    charlie.locator("#p12").set_input_files(file)  # type: ignore[arg-type]  # as documented
    charlie.get_by_role("button", name="Upload the file").click()

    expect(charlie.locator("#code-p12-e")).to_have_text("Enter a code, and the files again.")
    look(charlie)


@pytest.fixture
def charlie_now(page_of: Callable[..., Page]) -> Page:
    """Charlie, whose second factor is so fresh that a form with files asks for no code."""
    page = page_of("charlie")
    page.goto(PROVIDERS)
    page.get_by_role("link", name="Northgate Scrubbing").click()
    return page


def expect_use(page: Page) -> None:
    """The uploaded certificate works, and is the one in use."""
    expect(page.locator("main")).to_contain_text("The certificate was saved.")
    expect_passed_test(page, r"The new certificate worked")
    page.reload()
    expect(page.get_by_role("heading", name="The new certificate")).to_have_count(0)
    expect(page.locator("h1")).to_contain_text("Northgate Scrubbing: connected")


def test_an_admin_uploads_a_key_and_its_certificate_as_pem(
    portal: Stack, charlie_now: Page
) -> None:
    page = charlie_now
    certificate, key = own_certificate(portal, "northgate", "globex")
    page.get_by_text("Upload a key and its certificate").click()
    page.locator("#chain").fill(certificate.public_bytes(Encoding.PEM).decode())
    pem_of_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = {"name": "client.key", "mimeType": "application/x-pem-file", "buffer": pem_of_key}
    page.locator("#key-file").set_input_files(file)  # type: ignore[arg-type]  # as documented
    look(page)

    page.get_by_role("button", name="Upload both").click()

    expect_use(page)
    assert pem_of_key.decode().splitlines()[1] not in page.content()
    look(page)


def test_an_admin_uploads_a_pkcs12_file_with_its_password(portal: Stack, charlie_now: Page) -> None:
    page = charlie_now
    certificate, key = own_certificate(portal, "northgate", "globex")
    packed = pkcs12.serialize_key_and_certificates(
        b"globex", key, certificate, None, BestAvailableEncryption(b"secret words")
    )
    file = {"name": "client.p12", "mimeType": "application/x-pkcs12", "buffer": packed}
    page.get_by_text("Upload a PKCS#12 file").click()
    page.locator("#p12").set_input_files(file)  # type: ignore[arg-type]  # as documented
    page.locator("#p12-password").fill("wrong words")
    page.get_by_role("button", name="Upload the file").click()
    expect(page.locator("[role=alert]").first).to_be_visible()
    look(page)

    page.locator("#p12").set_input_files(file)  # type: ignore[arg-type]  # as documented
    page.locator("#p12-password").fill("secret words")
    page.get_by_role("button", name="Upload the file").click()

    expect_use(page)


def test_disconnecting_says_what_it_ends(page_of: Callable[..., Page]) -> None:
    charlie = page_of("charlie")
    charlie.goto(PROVIDERS)
    charlie.get_by_role("link", name="Tidewall").click()
    charlie.get_by_role("link", name="Disconnect…").click()

    expect(charlie.locator("h1")).to_have_text("Disconnect Tidewall?")
    look(charlie)
    charlie.get_by_role("link", name="Keep it").click()
    expect(charlie.locator("h1")).to_contain_text("Tidewall: connected")


def test_staff_see_and_change_the_known_providers(page_of: Callable[..., Page]) -> None:
    mo = page_of("mo")
    mo.goto("/portal/providers/")
    expect(mo.locator("main")).to_contain_text("2 organizations connected.")
    look(mo)
    mo.get_by_role("link", name="New provider").click()
    look(mo, "New provider")
    mo.get_by_role("link", name="Back to providers").click()
    mo.get_by_role("link", name="Tidewall").click()
    look(mo, "Tidewall")

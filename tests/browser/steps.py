"""What people do on several pages, and how many interactions it took them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from playwright.sync_api import BrowserContext, Locator, Page, expect

from local_stack.stack import Stack
from tests.browser.conftest import WITHIN_MS, signed_in_at, unused_code

RELOAD_MS = 1000
_COUNTS = """() => {
  const acts = "a, button, summary, input[type=checkbox], input[type=radio], input[type=submit]";
  const filled = new WeakSet();
  const count = () => sessionStorage.setItem("interactions", Number(sessionStorage.interactions ?? 0) + 1);
  addEventListener("click", (event) => {
    if (event.isTrusted && event.target.closest?.(acts)) count();
  }, true);
  addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches(acts) || filled.has(field)) return;
    filled.add(field);
    count();
  }, true);
}"""
"""A click counts, and a field that is filled or chosen counts once; what a script does counts
nothing. The sum survives the change of the page.
"""
_AGE = """
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from portal.accounts.models import User
own = str(User.objects.get(username={username!r}).pk)
for row in Session.objects.all():
    session = SessionStore(row.session_key)
    if session.get("_auth_user_id") == own:
        session["factor_at"] -= 301
        session["first_step_at"] -= 301
        session.save()
"""


def count_interactions(context: BrowserContext) -> BrowserContext:
    """From now on, the pages of this browser count what a person does."""
    context.add_init_script(f"({_COUNTS})()")
    return context


def interactions(page: Page) -> int:
    """How many there were on this tab since the last call."""
    counted: int = page.evaluate(
        """() => {
          const counted = Number(sessionStorage.interactions ?? 0);
          sessionStorage.removeItem("interactions");
          return counted;
        }"""
    )
    return counted


def let_the_factor_age(portal: Stack, username: str) -> None:
    """As if the person had given the second factor more than five minutes ago."""
    portal.manage("shell", "-c", _AGE.format(username=username))
    signed_in_at.pop(username, None)


def left_by_itself(page: Page) -> None:
    """Its person lost access elsewhere, and a live page then goes to the sign-in. Do not send it
    anywhere at that moment: Chromium may drop this navigation for the page's own, and Playwright
    waits for the dropped one until the timeout.
    """
    page.wait_for_url("**/sign-in?**")
    expect(page.locator("h1")).to_have_text("Sign in")


def violations(page: Page) -> list[tuple[str, str]]:
    """Rules of accessibility that the page breaks, each with the first element that does."""
    # Axe describes every element that passes otherwise, which takes a third of its time.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def opens(link: Locator) -> None:
    """Click what opens another page, and wait until that is there."""
    with link.page.expect_navigation():
        link.click()


def reload_until(shown: Locator) -> None:
    """Reload a page that does not update itself until it shows this."""
    for _ in range(WITHIN_MS // RELOAD_MS):
        if shown.count():
            return
        shown.page.wait_for_timeout(RELOAD_MS)
        shown.page.reload()
    expect(shown.first).to_be_visible()


def press(page: Page, button: str, secret: str, *, done: Locator) -> None:
    """Press a button that may ask for a code first; `done` shows that it worked."""
    page.get_by_role("button", name=button, exact=True).click()
    code = page.locator("#step-up")
    expect(code.or_(done).first).to_be_visible()
    if code.count():
        code.fill(unused_code(secret))
    expect(done).to_be_visible()


def signed(pki: Path, request: str, *, days: float = 90) -> bytes:
    """What the simulated provider with this folder of certificates returns for a CSR."""
    authority = x509.load_pem_x509_certificate((pki / "ca.pem").read_bytes())
    key = load_pem_private_key((pki / "ca.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    asked, now = x509.load_pem_x509_csr(request.encode()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(authority.subject, asked.subject, asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def own_certificate(
    portal: Stack, provider: str, name: str
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A key that an organization made itself, and the certificate that the provider signs for it.
    `name`: by which the provider knows the organization.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    request = asked.public_bytes(Encoding.PEM).decode()
    return x509.load_pem_x509_certificate(signed(portal.pki / provider, request)), key


def send_certificate(page: Page, portal: Stack, provider: str, *, days: float = 90) -> None:
    """On the provider's page, with a key that waits: download the request, have it signed, upload
    the certificate.
    """
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the request (CSR)").click()
    request = Path(download.value.path()).read_text()
    certificate = signed(portal.pki / provider, request, days=days)
    file = {"name": "signed.pem", "mimeType": "application/x-pem-file", "buffer": certificate}
    page.locator("#signed-file").set_input_files(file)  # type: ignore[arg-type]  # as documented
    page.get_by_role("button", name="Upload", exact=True).click()


def expect_passed_test(page: Page, words: str) -> None:
    """The page shows the steps of the test while it runs, and all of them work."""
    test = page.locator("#p-test")
    expect(test).to_contain_text(re.compile(words))
    steps = test.locator("li.check")
    expect(steps.first).to_be_visible()
    expect(test.locator("li.check.is-good")).to_have_count(steps.count())

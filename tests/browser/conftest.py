from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from local_stack.installation import CODE_LIFETIME_S, one_time_code
from local_stack.stack import Stack
from tests.fork_server import ForkServer
from tests.integration.conftest import TIMEOUT_S
from tests.integration.stack import control
from tests.made_once import installation
from tests.portal.notifications.channels.push_browser import new_key

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
WITHIN_MS = 60_000
"""How long a page may take to show what a test expects. A busy machine is not a bug of the portal;
`scripts/bench` measures how long it takes.
"""
expect.set_options(timeout=WITHIN_MS)
FACTOR_IS_OLD_AFTER_S = 120.0
"""The portal asks for it after five minutes; a test is shorter than the rest."""
signed_in_at: dict[str, float] = {}
"""When each person gave the second factor last, on the monotonic clock."""


def chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))
    # Last, because Playwright keeps an event loop running, beside which no other test could start
    # its own.
    items.sort(key=lambda item: here in item.path.parents)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = chromium()
    if program is None:
        missing = "There is no Chromium. Install it, or name it: CHROMIUM=/path/to/chromium"
        # A machine that skips these tests would pass without testing anything.
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root.
        browser = playwright.chromium.launch(
            executable_path=program, chromium_sandbox=os.getuid() != 0
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def portal(
    browser: Browser, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Every process for real, on SQLite as in the demo. Requested after the browser, which may be
    missing.
    """
    directory = tmp_path_factory.mktemp("portal")
    shutil.copytree(installation(tmp_path_factory), directory, dirs_exist_ok=True)
    environment = {
        "PORTAL_ALERT_NETWORKS": "127.0.0.0/8",
        "PORTAL_NOTICE_NETWORKS": "127.0.0.0/8",
        "PORTAL_VAPID_KEYS": new_key(),
    }
    stack = Stack(
        directory,
        is_prepared=True,
        environment=environment,
        start_program=fork_server.start,
    )
    database = stack.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "UPDATE providers_provider SET port = ? WHERE name = ?",
            [(one.signal_port, one.provider.name) for one in stack.simulators],
        )
    with stack:
        yield stack


@pytest.fixture
def calm(portal: Stack) -> None:
    """Both providers accept everything and report within a second."""
    for provider in ("northgate", "tidewall"):
        behaviour = {"accept": "always", "status_delay_s": 1, "attack_ends_after_s": None}
        control(portal, provider, "/behaviour", behaviour)


@pytest.fixture
def context_of(browser: Browser, portal: Stack) -> Iterator[Callable[..., BrowserContext]]:
    """A separate browser, for example `context_of(viewport={"width": 360, "height": 740})`."""
    opened: list[BrowserContext] = []

    def context_of(**options: object) -> BrowserContext:
        context = browser.new_context(base_url=portal.url, **options)  # type: ignore[arg-type]  # as Playwright's own
        context.set_default_timeout(WITHIN_MS)
        opened.append(context)
        return context

    yield context_of
    for context in opened:
        context.close()


@pytest.fixture(scope="session")
def _kept_cookies() -> dict[str, list[object]]:
    return {}


@pytest.fixture
def page_of(
    context_of: Callable[..., BrowserContext],
    portal: Stack,
    _kept_cookies: dict[str, list[object]],
) -> Iterator[Callable[..., Page]]:
    """A page on which a person is signed in. Tests share a session, since a code counts only once.
    The person signs in again if a test ended it, or if the second factor gets so old that the
    portal could ask for it during the test.
    """
    opened: list[tuple[str, BrowserContext]] = []

    def page_of(username: str, **options: object) -> Page:
        context = context_of(**options)
        page = context.new_page()
        age_s = time.monotonic() - signed_in_at.get(username, -FACTOR_IS_OLD_AFTER_S)
        if age_s < FACTOR_IS_OLD_AFTER_S:
            context.add_cookies(_kept_cookies[username])  # type: ignore[arg-type]  # they came from it
            page.goto("/")
        if age_s >= FACTOR_IS_OLD_AFTER_S or "/sign-in" in page.url:
            with_script = bool(options.get("java_script_enabled", True))
            sign_in(page, portal, username, with_script=with_script)
            signed_in_at[username] = time.monotonic()
            _kept_cookies[username] = list(context.cookies())
        opened.append((username, context))
        return page

    yield page_of
    for username, context in opened:
        # A code for an act that needs one has given the session a new key.
        _kept_cookies[username] = list(context.cookies())


_used_codes: set[tuple[str, str]] = set()


def unused_code(secret: str) -> str:
    """A code works only once; the next one is valid already. Waits for another one if both were
    used.
    """
    while True:
        now = time.time()
        for at in (now, now + CODE_LIFETIME_S):
            code = one_time_code(secret, at)[0]
            if (secret, code) not in _used_codes:
                _used_codes.add((secret, code))
                return code
        time.sleep(CODE_LIFETIME_S - now % CODE_LIFETIME_S)


def sign_in(page: Page, portal: Stack, username: str, *, with_script: bool = True) -> None:
    """Signs in on the pages, as a person does."""
    page.goto("/sign-in")
    page.fill("[name=username]", username)
    page.fill("[name=password]", portal.secrets.passwords[username])
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/sign-in/code*")
    page.fill("[autocomplete=one-time-code]", unused_code(portal.secrets.totp_secrets[username]))
    if not with_script:
        # With JavaScript, the page submits itself after the sixth digit.
        page.press("[autocomplete=one-time-code]", "Enter")
    page.wait_for_url("**/organizations/**")

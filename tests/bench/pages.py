"""What open pages cost during an attack: processor time of the portal, and the line.

The pages are open in Chromium, so they receive the same bytes as a person's browser. The cost of
the same attack without open pages is measured first and subtracted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Browser, async_playwright

from tests.bench.callers import Callers
from tests.bench.installation import VIEWER, Installation, installation, parser
from tests.bench.report import header, say, table
from tests.bench.steady import fill
from tests.browser.conftest import chromium
from tests.integration.stack import Pages

SETTLED_AFTER_S: Final = 5.0


def main(arguments: Sequence[str]) -> None:
    options = parser("pages", __doc__)
    options.add_argument("--requests", type=int, default=6, help="live, of the organization")
    options.add_argument("--every-s", type=float, default=2.0, help="between two reports of each")
    options.add_argument("--tabs", type=int, default=2, help="of each page, at most 20")
    options.add_argument("--watch-s", type=float, default=30.0)
    chosen = options.parse_args(arguments)
    program = chromium()
    if program is None:
        raise SystemExit("There is no Chromium. Install it, or name it: CHROMIUM=/path/to/chromium")
    header()
    with installation(chosen, organizations=1, has_viewer=True) as running:
        pages = Pages(running.stack, VIEWER)
        cookies = [
            {"name": one.name, "value": one.value or "", "url": running.stack.url}
            for one in pages.cookies
        ]
        pages.close()
        asyncio.run(_measure(running, chosen, program, cookies))


async def _measure(
    running: Installation,
    options: argparse.Namespace,
    program: str,
    cookies: Sequence[dict[str, Any]],
) -> None:
    (slug,) = running.slugs
    async with Callers(running, []) as callers, async_playwright() as playwright:
        held = await fill(running, callers, options.requests, options.requests / 2, options.every_s)
        browser = await playwright.chromium.launch(
            executable_path=program, chromium_sandbox=os.getuid() != 0
        )
        await running.meter.rest(options.watch_s)
        organization = f"/organizations/{slug}"
        rows = [
            await _watch(running, browser, cookies, name, path, options)
            for name, path in (
                ("Now", organization),
                ("one request", f"{organization}/requests/{held[0].id}"),
            )
        ]
        await browser.close()
    say(f"{len(held)} live requests, a report of each every {options.every_s:g} s; per open page:")
    say()
    table(
        ("page", "CPU of web, of a core", "of all processes", "answers", "socket", "kbit/s"), rows
    )


@dataclass
class _Received:
    """Bytes that the pages received."""

    answers: int = 0
    socket: int = 0

    def answer(self, event: dict[str, Any]) -> None:
        self.answers += event["encodedDataLength"]

    def frame(self, event: dict[str, Any]) -> None:
        self.socket += len(event["response"]["payloadData"].encode())


async def _watch(
    running: Installation,
    browser: Browser,
    cookies: Sequence[dict[str, Any]],
    name: str,
    path: str,
    options: argparse.Namespace,
) -> tuple[str, ...]:
    received = _Received()
    opened = []
    for _ in range(options.tabs):
        # A page behind another one in the same window is hidden, and requests nothing.
        context = await browser.new_context(base_url=running.stack.url)
        await context.add_cookies(list(cookies))  # type: ignore[arg-type]  # as Playwright's own
        page = await context.new_page()
        session = await context.new_cdp_session(page)
        await session.send("Network.enable")
        session.on("Network.dataReceived", received.answer)
        session.on("Network.webSocketFrameReceived", received.frame)
        answer = await page.goto(path)
        assert answer is not None
        assert answer.ok, f"{answer.status}: {path}"
        opened.append(page)
    for page in opened:
        assert await page.evaluate("document.visibilityState") == "visible"
    await asyncio.sleep(SETTLED_AFTER_S)
    received.answers = received.socket = 0
    before = running.meter.sample()
    await asyncio.sleep(options.watch_s)
    span = running.meter.since(before)
    for page in opened:
        await page.context.close()

    def each(share: float) -> str:
        return f"{100 * share / options.tabs:.2f} %"

    bits = 8 * (received.answers + received.socket) / options.tabs / span.seconds / 1000
    return (
        name,
        each(span.busy_share("web")),
        each(span.busy_share_of_portal()),
        f"{received.answers / options.tabs / 1024:,.0f} KiB",
        f"{received.socket / options.tabs / 1024:,.0f} KiB",
        f"{bits:.1f}",
    )

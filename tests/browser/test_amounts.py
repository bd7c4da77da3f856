"""Amounts on a page follow the socket without a call; a status fetches the parts that it changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from local_stack.stack import Stack
from portal.core.formatting import amount, bit_rate, packet_rate
from tests.integration.stack import control, wait_for

PageOf = Callable[..., Page]
pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("calm")]

FORMS: dict[str, Callable[[int], str]] = {
    "bit_rate": bit_rate,
    "bit_rate_number": lambda octets: bit_rate(octets).partition("\u00a0")[0],
    "bit_rate_unit": lambda octets: bit_rate(octets).partition("\u00a0")[2],
    "packet_rate": packet_rate,
    "amount": amount,
}
VALUES = sorted(
    {
        0, 1, 7, 124, 125, 9_999_999, 10_000_000, 10_049_999, 10_050_000, 12_345_678, 123_456_789_012,
        *(10**power + delta for power in range(1, 16) for delta in (-1, 0, 1)),
        *(head * 10**power for head in (1005, 9994, 9995, 9996, 12345, 12455) for power in range(11)),
        *(-(-head * 10**power // 8) for head in (9995, 99949, 99951) for power in range(12)),
    }
)  # fmt: skip
"""Around every change of unit and every rounding."""

WRITE = """([form, first, shown, values]) => values.map((value) => {
    document.getElementById("tried")?.remove();
    const kinds = `bytes ${value ? "rate" : "zero"} packets`;
    document.body.insertAdjacentHTML("beforeend",
        `<p id="tried" data-mitigation="x" data-reported="${kinds}"></p>`);
    const tried = document.getElementById("tried");
    tried.dataset.amounts = `${form}:${first}:x=${first}`;
    tried.textContent = `Drops ${shown}.`;
    document.dispatchEvent(new CustomEvent("htmx:oobAfterSwap", { detail: { target: tried.parentElement } }));
    const data = { x: [value, value, value, 0] };
    document.dispatchEvent(new CustomEvent("portal:amounts", { detail: { seq: 1, data } }));
    return tried.textContent;
})"""


@pytest.mark.parametrize("form", FORMS)
def test_the_script_writes_amounts_as_the_server_does(page_of: PageOf, form: str) -> None:
    page, words = page_of("bob"), FORMS[form]
    first = 123_456

    written = page.evaluate(WRITE, [form, first, words(first), VALUES])

    assert written == [f"Drops {words(value)}." for value in VALUES]


def calls_of(page: Page) -> list[str]:
    """The parts that the page requests from now on."""
    found: list[str] = []

    def note(request: Request) -> None:
        if parts := re.search(r"parts=([a-z,%C]+)", request.url):
            found.append(parts[1].replace("%2C", ","))

    page.on("request", note)
    return found


def tell(page: Page, data: dict[str, Any]) -> None:
    """As if the socket had brought these reports."""
    page.evaluate(
        """(data) => document.dispatchEvent(
            new CustomEvent("portal:amounts", { detail: { seq: 1e9, data } }))""",
        data,
    )


def tell_until_shown(
    pages: tuple[Page, ...],
    mitigation: str,
    report: tuple[int, int, int],
    places: tuple[Locator, ...],
) -> None:
    """Again, because a report that was on its way when the provider became quiet may follow."""
    words = bit_rate(report[1])

    def is_shown() -> bool:
        for page in pages:
            tell(page, {mitigation: [*report, page.evaluate("Date.now() / 1000")]})
        return all(words in (place.text_content() or "") for place in places)

    wait_for(is_shown)


def test_amounts_change_without_a_call_and_a_status_requests_the_parts_once(
    portal: Stack, page_of: PageOf
) -> None:
    watching, alice = page_of("bob"), page_of("alice")
    alice.goto(f"{portal.url}/organizations/acme/requests/new")
    alice.get_by_label("Something else").fill("203.0.113.134")
    alice.get_by_role("button", name="Send request").last.click()
    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(alice.locator(".crumb [data-status]")).to_have_attribute("data-status", "mitigating")
    now = page_of("bob")
    now.goto(f"{portal.url}/organizations/acme/")
    watching.goto(alice.url.partition("#")[0])
    card = watching.locator(".provider-card[data-mitigation]").first
    # A rate that stops being zero makes the page request its parts.
    expect(card).to_contain_text(re.compile(r"[1-9]\S*\s\S*bit/s and .* dropped;"))
    mitigation = card.get_attribute("data-mitigation")
    assert mitigation is not None
    watching.evaluate(
        """() => {
            window.announced = [];
            new MutationObserver(() => window.announced.push(document.querySelector("#announce").textContent))
                .observe(document.querySelector("#announce"), { childList: true });
        }"""
    )
    # The provider is quiet, so that only the reports below change amounts.
    control(portal, "northgate", "/behaviour", {"notify_interval_s": 36_000})
    calls = {page: calls_of(page) for page in (watching, now)}

    for bytes_dropped, rate in ((9 * 10**12, 111_000_000), (9 * 10**12 + 5 * 10**10, 222_000_000)):
        places = (card, watching.locator(".say"), now.locator(f"[data-mitigation='{mitigation}']"))
        tell_until_shown((watching, now), mitigation, (bytes_dropped, rate, 333_000), places)
        expect(card).to_contain_text(
            f"{packet_rate(333_000)} dropped; {amount(bytes_dropped)} so far"
        )
        expect(card).to_contain_text(re.compile(r"Last heard [0-2]\ss ago"))

    assert all(not set(found) - {"chart", "now"} for found in calls.values())
    assert watching.evaluate("window.announced") == []

    for found in calls.values():
        found.clear()
    (there,) = [
        one
        for one in control(portal, "northgate", "/state")["mitigations"]
        if one["scope"]["target-prefix"] == ["203.0.113.134/32"] and one["status"] < 5
    ]
    path = f"/mitigations/{there['cuid']}/{there['mid']}/status"
    control(portal, "northgate", path, {"status": 4})
    chip = watching.locator(".crumb [data-status]")
    expect(chip).not_to_contain_text("Mitigating")
    assert calls[watching].count("say,responsible,lanes,side,look,time,chart,evidence") == 1

    # A report of other kinds of amounts changes the sentences. The page asks once, not with each report.
    asked = watching.evaluate(
        """([mitigation, reports]) => {
            const asked = [];
            document.addEventListener("portal:refresh", ({ detail }) => asked.push(detail.kind));
            for (const report of reports) {
                const detail = { seq: 1e9, data: { [mitigation]: report } };
                document.dispatchEvent(new CustomEvent("portal:amounts", { detail }));
            }
            return asked;
        }""",
        [mitigation, [[1, 5, None, 0], [2, 6, None, 0], [3, 0, None, 0], [4, 0, None, 0]]],
    )
    assert asked == ["portal:state", "portal:counters"] * 2

    # What reports do not bring, such as when an idle provider was heard, is at most 30 s old.
    with watching.expect_request(lambda call: "parts=say" in call.url):
        watching.evaluate(
            """() => {
                const real = performance.now.bind(performance);
                performance.now = () => real() + 31000;
                const detail = { kind: "portal:counters" };
                document.dispatchEvent(new CustomEvent("portal:refresh", { detail }));
            }"""
        )

    alice.get_by_text("Terminate…").first.click()
    alice.get_by_role("button", name="Terminate now").click()
    expect(alice.locator(".crumb [data-status]")).to_have_attribute("data-status", "terminated")


def test_many_events_request_the_parts_a_few_times_and_one_at_a_time(
    portal: Stack, page_of: PageOf
) -> None:
    page = page_of("bob")
    page.goto(f"{portal.url}/organizations/acme/")

    calls = page.evaluate("""() => new Promise((resolve) => {
        const calls = [];
        let open = 0;
        let last = 0;
        document.addEventListener("htmx:beforeRequest", () => {
            open += 1;
            calls.push({ open, at: performance.now() });
        });
        document.addEventListener("htmx:afterRequest", () => {
            open -= 1;
            if (last && calls.at(-1).at >= last) resolve(calls);
        });
        let seq = 1e6;
        const every = setInterval(() => {
            seq += 1;
            const detail = { kind: "portal:state", seq };
            document.dispatchEvent(new CustomEvent("portal:refresh", { detail }));
            if (seq < 1e6 + 50) return;
            last = performance.now();
            clearInterval(every);
        }, 20);
    })""")

    assert all(call["open"] == 1 for call in calls)
    assert len(calls) <= 8

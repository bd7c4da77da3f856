"""Names of devices, from what browsers of 2026 call themselves."""

from __future__ import annotations

import pytest

from portal.accounts.user_agents import device_words

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/142.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko Firefox/145.0", "Firefox on Linux"),
        (WINDOWS, "Chrome on Windows"),
        (f"{WINDOWS} Edg/142.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} OPR/124.0.0.0", "Opera on Windows"),
        (
            f"Mozilla/5.0 (Macintosh; Mac OS X 10_15_7) {WEBKIT} Version/26.1 Safari/605.1.15",
            "Safari on a Mac",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7) {WEBKIT} Version/26.1 Mobile/15E148 "
            "Safari/604.1",
            "Safari on an iPhone",
        ),
        (
            f"Mozilla/5.0 (iPad; CPU OS 18_7) {WEBKIT} CriOS/142.0 Mobile/15E148 Safari/604.1",
            "Chrome on an iPad",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7) {WEBKIT} FxiOS/145.0 Mobile/15E148 "
            "Safari/605.1.15",
            "Firefox on an iPhone",
        ),
        (
            f"Mozilla/5.0 (Linux; Android) {BLINK} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile "
            "Safari/537.36",
            "Samsung Internet on Android",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {BLINK} Chrome/142.0.0.0 Safari/537.36",
         "Chrome on ChromeOS"),
        ("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko", "A browser on Windows"),
        ("curl/8.14.1", "curl"),
        ("", "An unknown browser"),
        ("\u202e/1", "An unknown browser"),
        ("x" * 300, "An unknown browser"),
    ],
)  # fmt: skip
def test_a_browser_is_named_by_its_maker_and_its_system(user_agent: str, words: str) -> None:
    assert device_words(user_agent) == words

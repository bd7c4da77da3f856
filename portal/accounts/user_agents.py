"""What a browser calls itself, as its person would name it. A pure function.

The text comes from the browser and proves nothing: it only helps to tell one's own devices apart.
ua-parser would need this table too, from its hundreds of names ("Mobile Safari UI/WKWebView").
"""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = "An unknown browser"

_BROWSERS: Final = (
    # Each calls itself what the later ones are, too.
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("Linux", "Linux"),
)


def device_words(user_agent: str) -> str:
    """ "Firefox on Windows", "Safari on an iPhone"; a program by its first word, such as "curl"."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser:
        return f"{browser} on {system}" if system else browser
    if system:
        return f"A browser on {system}"
    name = user_agent.partition("/")[0].strip()
    return name if name.isprintable() and 0 < len(name) <= _LONGEST_NAME else UNKNOWN


_LONGEST_NAME: Final = 40


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((words for mark, words in names if mark in user_agent), "")

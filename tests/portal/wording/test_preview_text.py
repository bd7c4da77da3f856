from __future__ import annotations

import pytest

from portal.core.targets import Targets
from portal.wording.preview_text import effects, gets_this

NAMES = ("Northgate", "Tidewall", "Highmoor")


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        ((), "Farport gets this now"),
        (
            NAMES[:1],
            "Farport gets this only if Northgate refuses, is over capacity, stops, or does not "
            "answer within 10\u00a0s",
        ),
        (
            NAMES[:2],
            "Farport gets this only if each of Northgate and Tidewall refuses, is over capacity, "
            "stops, or does not answer within 10\u00a0s",
        ),
        (
            NAMES,
            "Farport gets this only if each of Northgate, Tidewall and Highmoor refuses, is over "
            "capacity, stops, or does not answer within 10\u00a0s",
        ),
    ],
)
def test_the_preview_says_when_each_provider_gets_its_message(
    after: tuple[str, ...], sentence: str
) -> None:
    assert gets_this("Farport", after=after, patience_s=10) == sentence


def effects_text(
    *prefixes: str, fqdns: tuple[str, ...] = (), narrowed: bool = True, strategy: str = "failover"
) -> str:
    targets = Targets.saved(prefixes=prefixes, fqdns=fqdns)
    return " ".join(effects(targets, is_narrowed=narrowed, names=NAMES[:2], strategy=strategy))


def test_diverted_traffic_is_always_mentioned() -> None:
    assert effects_text("203.0.113.7/32").startswith(
        "Traffic to 203.0.113.7/32 is diverted through the provider."
    )


@pytest.mark.parametrize(
    ("with_it", "without_it", "sentence"),
    [
        (
            effects_text("192.0.2.0/32", narrowed=False),
            effects_text("192.0.2.0/32"),
            "No port and no protocol",
        ),
        (
            effects_text("192.0.2.0/24"),
            effects_text("192.0.2.0/25"),
            "192.0.2.0/24 holds many addresses",
        ),
        (
            effects_text("192.0.2.0/24", "2001:db8::/48"),
            effects_text("2001:db8::/121"),
            "192.0.2.0/24 and 2001:db8::/48 hold many addresses",
        ),
        (
            effects_text(fqdns=("shop.example",)),
            effects_text("192.0.2.0/32"),
            "The provider resolves names",
        ),
        (
            effects_text("192.0.2.0/32", strategy="parallel"),
            effects_text("192.0.2.0/32"),
            "Northgate and Tidewall filter at the same time",
        ),
    ],
)
def test_only_applicable_facts_are_mentioned(with_it: str, without_it: str, sentence: str) -> None:
    assert sentence in with_it
    assert sentence not in without_it


def test_long_lists_of_targets_are_shortened() -> None:
    many = effects_text(*(f"192.0.2.{n}/32" for n in range(5)))

    assert "192.0.2.2/32 and others" in many
    assert "192.0.2.3/32" not in many

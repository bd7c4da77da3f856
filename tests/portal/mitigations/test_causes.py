"""Sentences that earlier releases saved become codes, and none is lost."""

from __future__ import annotations

from importlib import import_module

import pytest

from portal.mitigations.causes import FALLBACK, Cause, WithdrawnCause
from portal.wording.causes import asked_because, withdrawn_because

old_rows = import_module("portal.mitigations.migrations.0021_causes_of_old_rows")
NAMED = {"Northgate": 1, "Tidewall": 2, "Edge 1": 1}


@pytest.mark.parametrize("cause", sorted(FALLBACK - {Cause.OTHER}))
def test_the_sentence_of_every_cause_is_read_back_as_that_cause(cause: Cause) -> None:
    """An earlier release saved the same sentences."""
    sentence = asked_because(cause, provider="Northgate")

    assert old_rows.asked(sentence, NAMED) == (cause, 1)
    assert old_rows.asked(sentence, {}) == (cause, None)


def test_a_gateway_that_asked_to_wait_stands_for_the_provider_behind_it() -> None:
    sentence = asked_because(Cause.TOLD_TO_WAIT, provider="Northgate", gateway="Edge 1")

    assert sentence == "gateway Edge 1 asked the portal to retry later"
    assert old_rows.asked(sentence, NAMED) == (Cause.TOLD_TO_WAIT, 1)


@pytest.mark.parametrize("names", [["Northgate"], ["Northgate", "Tidewall"]])
def test_those_that_filter_instead_are_read_back(names: list[str]) -> None:
    sentence = withdrawn_because(WithdrawnCause.EARLIER_FILTERS, names)

    expected = [str(NAMED[name]) for name in names]
    assert old_rows.withdrawn(sentence, NAMED) == (WithdrawnCause.EARLIER_FILTERS, expected)


@pytest.mark.parametrize("sentence", ["the moon was full", "refused", "Northgate  ", "’"])
def test_an_unknown_cause_is_other_and_keeps_its_text(sentence: str) -> None:
    assert old_rows.asked(sentence, NAMED) == (Cause.OTHER, None)
    assert old_rows.withdrawn(sentence, NAMED) == (WithdrawnCause.OTHER, [])
    assert asked_because(Cause.OTHER, text=sentence) == sentence
    assert withdrawn_because(WithdrawnCause.OTHER, [], text=sentence) == sentence


def test_the_text_stands_where_the_provider_has_another_name_by_now() -> None:
    text = "Harbour refused"

    assert asked_because(Cause.REFUSED, text=text) == text
    assert withdrawn_because(WithdrawnCause.EARLIER_FILTERS, [], text=text) == text

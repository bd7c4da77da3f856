from __future__ import annotations

import pytest

from portal import wording
from portal.mitigations.states import RequestStatus, Status
from portal.wording import MitigationFacts
from tests.portal.wording.facts import (
    MITIGATING,
    NORTHGATE,
    NOW,
    PROTOCOL_WORDS,
    SILENT,
    ago,
    asked,
    mitigation,
    plain,
)  # fmt: skip
from tests.portal.wording.provider_cards import CARDS


@pytest.mark.parametrize(("one", "fact", "rest"), CARDS)
def test_a_card_says_what_is_known_and_from_which_source(
    one: MitigationFacts, fact: str, rest: str
) -> None:
    said = wording.tell(one, NOW)

    assert (plain(said[0]), plain(said[1])) == (fact, rest)


def test_every_status_of_a_card_has_its_sentence_pinned() -> None:
    assert {wording.display_status(one, NOW) for one, _, _ in CARDS} == set(wording.DisplayStatus)


def test_the_card_of_a_provider_not_asked_yet_says_when_it_will_be() -> None:
    first = mitigation("Northgate", Status.PENDING, sent_at=ago(2))

    _, rest = wording.tell(mitigation("Tidewall", None), NOW, before=[first], patience_s=10)

    assert plain(rest) == (
        "The portal asks it if Northgate refuses, is over capacity, stops, or does not answer "
        "within 10 s."
    )


def test_the_track_shows_only_confirmed_steps() -> None:
    filtering = wording.track(NORTHGATE, NOW)
    silent = wording.track(SILENT, NOW)
    refused = wording.track(
        mitigation("Tidewall", Status.REFUSED, confirmed_at=None, ended_at=ago(9)), NOW
    )

    assert [(step.word, step.place) for step in filtering] == [
        ("Sent", "past"),
        ("Accepted", "past"),
        ("Mitigating", "here"),
        ("Terminated", "next"),
    ]
    assert [step.place for step in silent] == ["past", "lost", "next", "next"]
    assert [(step.word, step.place) for step in refused][1:] == [
        ("Accepted", "lost"),
        ("Mitigating", "lost"),
        ("Refused", "here"),
    ]


def test_no_sentence_of_a_card_uses_protocol_jargon() -> None:
    sentences = [text for _, *texts in CARDS for text in texts]

    assert not [text for text in sentences for word in PROTOCOL_WORDS if word in text]


def test_an_unknown_status_looks_old_and_is_in_the_summary() -> None:
    odd = mitigation("Northgate", Status.MITIGATING, unknown_report=9, **MITIGATING)
    request = asked(RequestStatus.MITIGATING, odd)

    assert wording.is_stale(odd, NOW)
    assert "last reported" in plain(wording.headline(request, NOW))
    summary = plain(wording.summary(request, NOW))
    assert (
        "Northgate reports status 9, which the portal does not know: the rest shown here is older."
        in summary
    )
    assert "Nothing heard" not in summary

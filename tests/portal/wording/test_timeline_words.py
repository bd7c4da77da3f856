from __future__ import annotations

import pytest

from portal import wording
from portal.events.models import EventType
from tests.portal.wording.facts import NOW, PROTOCOL_WORDS, ago, event_facts, plain

ENTRIES = [
    (
        event_facts(EventType.REQUEST_SUBMITTED, {}, request="Shop front-end", reason="UDP flood"),
        "alice requested mitigation for Shop front-end.",
        "UDP flood",
    ),
    (event_facts(EventType.MITIGATION_SENT, {}), "Sent to Northgate.", ""),
    (
        event_facts(
            EventType.MITIGATION_STATUS,
            {"status": "in_progress", "previous": "pending", "lifetime": 3600},
        ),
        "Northgate accepted.",
        "Granted 1 hour.",
    ),
    (
        event_facts(
            EventType.MITIGATION_STATUS,
            {"status": "mitigating", "previous": "in_progress"},
            asked_at=ago(17),
        ),
        "Northgate reports it is filtering.",
        "17 s after the request.",
    ),
    (
        event_facts(
            EventType.MITIGATION_STATUS,
            {"status": "mitigating", "previous": "in_progress"},
            asked_at=ago(17),
            has_filtered=True,
        ),
        "Northgate reports it is filtering again.",
        "",
    ),
    (
        event_facts(
            EventType.MITIGATION_STATUS, {"status": "pending", "previous": "refused", "why": "turn"}
        ),
        "The portal is retrying Northgate.",
        "No provider helps yet.",
    ),
    (
        event_facts(
            EventType.MITIGATION_STATUS,
            {"status": "pending", "previous": "pending", "why": "identity"},
        ),
        "Another client uses the same identity at Northgate.",
        "The portal created a new one and is sending again.",
    ),
    (
        event_facts(
            EventType.MITIGATION_STATUS,
            {"status": "mitigating", "previous": "mitigating", "unknown": 9},
        ),
        "Northgate reports status 9, which the portal does not know.",
        "",
    ),
    (
        event_facts(
            EventType.MITIGATION_REFUSED,
            {
                "status": "refused",
                "code": "4.09",
                "reason": "It would block addresses on your accept list.",
                "is_conflict": True,
            },
        ),
        "Northgate refused.",
        "It would block addresses on your accept list.",
    ),
    (
        event_facts(EventType.MITIGATION_STATUS, {"status": "pending", "why": "lifetime over"}),
        "The lifetime at Northgate ran out.",
        "The portal is sending it again.",
    ),
    (
        event_facts(EventType.MITIGATION_STATUS, {"status": "withdrawn", "why": "superseded"}),
        "Northgate replaced this by your newer request.",
        "It holds only the newer of two requests that have addresses in common.",
    ),
    (
        event_facts(EventType.MITIGATION_STATUS, {"status": "pending", "previous": "mitigating"}),
        "Northgate no longer has this request.",
        "The portal is sending it again.",
    ),
    (
        event_facts(EventType.MITIGATION_STATUS, {"status": "terminating", "told": True}),
        "Northgate received the stop request and is winding down.",
        "It may filter a little longer, to avoid a second wave.",
    ),
    (
        event_facts(EventType.MITIGATION_REFUSED, {"code": "4.99", "reason": ""}),
        "Northgate refused.",
        "Northgate gave no reason (code 4.99).",
    ),
    (
        event_facts(
            EventType.MITIGATION_EFFICACY, {"attack_status": "under-attack", "answered": False}
        ),
        "alice told Northgate: still under attack.",
        "",
    ),
    (
        event_facts(EventType.REQUEST_EXTENDED, {"lifetime": 14400}),
        "alice extended the request for 4 hours from then.",
        "",
    ),
]


@pytest.mark.parametrize(("one", "what", "detail"), ENTRIES)
def test_the_timeline_says_who_did_what(one: wording.EventFacts, what: str, detail: str) -> None:
    entry = wording.entry(one)

    assert entry is not None
    assert (plain(entry.what), plain(entry.detail)) == (what, detail)


def test_equal_simultaneous_events_of_two_providers_are_one_entry() -> None:
    entries = [
        wording.entry(
            wording.EventFacts(at=NOW, type=EventType.MITIGATION_SENT, data={}, provider=short)
        )
        for short in ("Tidewall", "Northgate")
    ]

    [entry] = wording.merged([one for one in entries if one])

    assert entry.what == "Sent to Northgate and Tidewall."


@pytest.mark.parametrize(
    ("waits", "detail"), [({}, "The portal keeps trying."), ({"waits": True}, "")]
)
def test_a_provider_waiting_for_a_person_is_not_called_retrying(
    waits: dict[str, bool], detail: str
) -> None:
    entry = wording.entry(event_facts(EventType.REQUEST_STATUS, {"status": "failing", **waits}))

    assert entry is not None
    assert (entry.what, entry.detail) == ("No provider has confirmed help.", detail)


def test_only_failing_and_withdrawn_interrupt_a_reader() -> None:
    failing = event_facts(EventType.REQUEST_STATUS, {"status": "failing"}, request="VPN")
    withdrawn = event_facts(
        EventType.MITIGATION_STATUS, {"status": "withdrawn", "previous": "mitigating"}
    )
    filtering = event_facts(
        EventType.MITIGATION_STATUS, {"status": "mitigating", "previous": "in_progress"}
    )
    counters = event_facts(EventType.MITIGATION_COUNTERS, {"bps_dropped": 1})
    stuck = event_facts(
        EventType.REQUEST_STATUS, {"status": "failing", "waits": True}, request="VPN"
    )

    heard = [wording.announcement(one) for one in (failing, stuck, withdrawn, filtering, counters)]

    assert heard == [
        wording.Announcement("VPN: no provider has confirmed help. Still trying.", is_urgent=True),
        wording.Announcement("VPN: no provider has confirmed help.", is_urgent=True),
        wording.Announcement("Northgate: withdrawn.", is_urgent=True),
        wording.Announcement("Northgate: mitigating."),
        None,
    ]


def test_no_entry_uses_protocol_jargon() -> None:
    sentences = [text for _, *texts in ENTRIES for text in texts]

    assert not [text for text in sentences for word in PROTOCOL_WORDS if word in text]

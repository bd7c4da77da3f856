from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.core.formatting import NBSP
from portal.mitigations import wording
from portal.mitigations.models import EventType
from portal.mitigations.states import RequestStatus, Status
from portal.mitigations.wording import Asked, Leg, Session

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def plain(text: str) -> str:
    """Readable in a test: no-break spaces as spaces."""
    return text.replace(NBSP, " ")


UP = Session(state="up", since=ago(86400 * 4), last_heard_at=ago(2))
DOWN = Session(state="down", since=ago(961), last_heard_at=ago(961), detail="no route")


def leg(short: str, status: Status | None, session: Session = UP, **facts: Any) -> Leg:
    if status is not None and status != Status.PENDING:
        facts = {"sent_at": ago(937), "confirmed_at": ago(936), **facts}
    return Leg(
        name=f"{short} Scrubbing",
        short=short,
        session=session,
        status=status,
        phone="+1 555 0142",
        **facts,
    )


def asked(status: RequestStatus, *legs: Leg, **facts: Any) -> Asked:
    return Asked(name="Shop front-end", status=status, legs=legs, **facts)


MITIGATING: dict[str, Any] = {
    "mitigating_at": ago(920),
    "bps_dropped": 387_500_000,
    "bytes_dropped": 347_000_000_000,
}

LANES = [
    (
        leg(
            "Northgate",
            Status.REFUSED,
            ended_at=ago(60),
            retry_at=ago(-30),
            refusal="It would block addresses on your accept list.",
        ),
        "Northgate refused at 03:26:41.",
        "It would block addresses on your accept list. The portal asks again at 03:28:11.",
    ),
    (
        leg(
            "Northgate",
            Status.REFUSED,
            refusal_code="5.08",
            ended_at=ago(60),
            refusal="It went round in a loop through edge-1.",
        ),
        "The request did not reach Northgate.",
        "It went round in a loop through edge-1."
        " The portal does not ask Northgate again by itself: ask it when they have.",
    ),
    (
        leg(
            "Northgate",
            Status.TERMINATING,
            withdrawal_asked_at=ago(60),
            refusal_code="5.08",
            refusal="It went round in a loop through edge-1.",
            retry_at=ago(-20),
        ),
        "Not told yet: the word to stop did not arrive.",
        "It went round in a loop through edge-1. Northgate may still be filtering."
        " The portal tells it again at 03:28:01.",
    ),
    (leg("Tidewall", None), "Not asked.", ""),
    (
        leg("Tidewall", None, why_not="Tidewall may protect only 2001:db8::/32"),
        "Not asked.",
        "Tidewall may protect only 2001:db8::/32.",
    ),
    (
        leg("Tidewall", Status.PENDING, sent_at=ago(3), asked_by="dana"),
        "Asked by dana, sent at 03:27:38.",
        "Waiting for its first answer.",
    ),
    (
        leg(
            "Tidewall",
            Status.TERMINATED,
            ended_at=ago(9),
            withdrawn_by="dana",
            withdrawal_asked_at=ago(60),
        ),
        "Confirmed at 03:27:32 that it stopped.",
        "dana withdrew it at 03:26:41.",
    ),
    (
        leg("Northgate", Status.WITHDRAWN, ended_at=ago(60), is_replaced=True),
        "Replaced at 03:26:41 by your newer request.",
        "Northgate holds only the newer of two requests for the same addresses.",
    ),
    (
        leg("Tidewall", Status.PENDING),
        "Nothing has left the portal for Tidewall.",
        "It is sent within seconds.",
    ),
    (
        leg("Tidewall", Status.PENDING, DOWN),
        "Nothing has left the portal for Tidewall.",
        "There is no connection since 03:11:40. It is sent as soon as there is one.",
    ),
    (
        leg("Tidewall", Status.PENDING, sent_at=ago(2)),
        "Sent at 03:27:39.",
        "Waiting for the first answer.",
    ),
    (
        leg("Tidewall", Status.PENDING, sent_at=ago(2), because="Northgate did not answer"),
        "Asked because Northgate did not answer within 10 s.",
        "Waiting for its first answer.",
    ),
    (
        leg("Northgate", Status.PENDING, sent_at=ago(17), sends=4, overdue_at=ago(7)),
        "Sent 4 times, no answer.",
        "Next try within 4 s. It may be acting already: answers get lost when your link is full.",
    ),
    (
        leg("Northgate", Status.PENDING, DOWN, sent_at=ago(17), sends=4, overdue_at=ago(7)),
        "Sent 4 times, no answer.",
        "Northgate is unreachable. The portal has been retrying since 03:11:40. "
        "It may be acting already: answers get lost when your link is full.",
    ),
    (
        leg(
            "Northgate",
            Status.PENDING,
            sent_at=ago(17),
            retry_at=ago(-19),
            refusal="Northgate says: too many requests.",
        ),
        "Next try at 03:28:00.",
        "Northgate says: too many requests.",
    ),
    (
        leg(
            "Northgate",
            Status.PENDING,
            sent_at=ago(900),
            confirmed_at=ago(899),
            last_sent_at=ago(3),
        ),
        "Asked again at 03:27:38.",
        "Northgate no longer knew this request. Waiting for its answer.",
    ),
    (
        leg("Northgate", Status.IN_PROGRESS),
        "Accepted at 03:12:05 and is setting up.",
        "It does not filter yet.",
    ),
    (
        leg("Northgate", Status.MITIGATING, pps_dropped=412_000, **MITIGATING),
        "Reports that it is filtering.",
        "3.1 Gbit/s and 412,000 packets/s dropped; 347 GB so far.",
    ),
    (
        leg("Northgate", Status.MITIGATING, mitigating_at=ago(920)),
        "Reports that it is filtering.",
        "Northgate does not report amounts.",
    ),
    (
        leg("Northgate", Status.ATTACK_STOPPED, bytes_dropped=841_000_000_000),
        "No longer sees the attack.",
        "Its filter stays until you terminate. 841 GB dropped in all.",
    ),
    (
        leg("Northgate", Status.EXCEEDED, bps_dropped=112_000_000),
        "The attack is larger than it can filter.",
        "Part of it gets through. 896 Mbit/s dropped.",
    ),
    (
        leg("Northgate", Status.TERMINATING, DOWN, withdrawal_asked_at=ago(60)),
        "Not told yet: unreachable since 03:11:40.",
        "It may still be filtering. The portal keeps trying.",
    ),
    (
        leg(
            "Northgate",
            Status.TERMINATING,
            withdrawal_asked_at=ago(60),
            withdrawal_confirmed_at=ago(59),
        ),
        "Was told at 03:26:42 and is winding down.",
        "It may filter a little longer.",
    ),
    (
        leg("Northgate", Status.TERMINATED, ended_at=ago(30)),
        "Confirmed at 03:27:11 that it stopped.",
        "",
    ),
    (
        leg("Northgate", Status.WITHDRAWN, ended_at=ago(30)),
        "Northgate stopped by itself at 03:27:11.",
        "It gave no reason.",
    ),
    (
        leg("Northgate", Status.STANDBY),
        "Holds the plan.",
        "It filters only when activated, or by itself if it loses contact with you under attack.",
    ),
    (
        leg("Northgate", Status.REFUSED, ended_at=ago(935), refusal="It clashes."),
        "Northgate refused at 03:12:06.",
        "It clashes.",
    ),
    (
        leg("Northgate", Status.EXPIRED, ended_at=ago(60)),
        "The lifetime ran out at 03:26 and was not renewed.",
        "It should have stopped filtering.",
    ),
]


@pytest.mark.parametrize(("one", "fact", "rest"), LANES)
def test_a_lane_says_what_is_known_and_by_whom(one: Leg, fact: str, rest: str) -> None:
    said = wording.tell(one, NOW)

    assert (plain(said[0]), plain(said[1])) == (fact, rest)


def test_every_status_of_a_lane_has_its_sentence_pinned() -> None:
    assert {wording.face(one, NOW) for one, _, _ in LANES} == set(wording.Face)


def test_a_provider_not_asked_yet_says_when_it_will_be() -> None:
    first = leg("Northgate", Status.PENDING, sent_at=ago(2))

    _, rest = wording.tell(leg("Tidewall", None), NOW, before=[first], patience_s=10)

    assert plain(rest) == (
        "It is asked if Northgate refuses, is over capacity, withdraws, or does not answer within 10 s."
    )


NORTHGATE = leg("Northgate", Status.MITIGATING, **MITIGATING)
TIDEWALL = leg("Tidewall", Status.MITIGATING, mitigating_at=ago(800), bps_dropped=150_000_000)
LOOPED = leg("Northgate", Status.REFUSED, refusal_code="5.08", ended_at=ago(9))
REFUSED = leg("Tidewall", Status.REFUSED, ended_at=ago(935))
SILENT = leg("Northgate", Status.PENDING, sent_at=ago(17), sends=4, overdue_at=ago(7))
STOPPED = [leg(short, Status.ATTACK_STOPPED) for short in ("Northgate", "Tidewall")]
ENDED = [leg(short, Status.TERMINATED, ended_at=ago(9)) for short in ("Northgate", "Tidewall")]
TOLD = leg(
    "Northgate", Status.TERMINATING, withdrawal_asked_at=ago(60), withdrawal_confirmed_at=ago(59)
)
UNTOLD = leg("Northgate", Status.TERMINATING, DOWN, withdrawal_asked_at=ago(60))
GONE = leg("Tidewall", Status.TERMINATED, withdrawal_asked_at=ago(60), ended_at=ago(9))

HEADLINES = [
    (
        asked(
            RequestStatus.TERMINATED,
            leg("Northgate", Status.WITHDRAWN, ended_at=ago(60), is_replaced=True),
        ),
        "Replaced by a newer request for the same addresses.",
    ),
    (
        asked(RequestStatus.STANDBY, leg("Northgate", Status.STANDBY, last_heard_at=ago(5))),
        "Northgate holds the plan.",
    ),
    (asked(RequestStatus.AWAITING_APPROVAL), "Nothing has been sent. Waiting for approval."),
    (
        asked(RequestStatus.REQUESTING, leg("Northgate", Status.PENDING)),
        "Nothing has been sent yet.",
    ),
    (
        asked(RequestStatus.REQUESTING, leg("Northgate", Status.PENDING, sent_at=ago(2))),
        "Sent to Northgate 2 s ago.",
    ),
    (
        asked(
            RequestStatus.REQUESTING,
            leg("Northgate", Status.PENDING, sent_at=ago(2)),
            leg("Tidewall", Status.PENDING, sent_at=ago(2)),
        ),
        "Sent to both providers 2 s ago.",
    ),
    (
        asked(RequestStatus.REQUESTING, SILENT, leg("Tidewall", Status.PENDING, sent_at=ago(7))),
        "No provider has confirmed yet.",
    ),
    (
        asked(RequestStatus.IN_PROGRESS, leg("Northgate", Status.IN_PROGRESS)),
        "Northgate accepted and is setting up.",
    ),
    (asked(RequestStatus.MITIGATING, NORTHGATE), "Northgate reports it is filtering."),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, leg("Tidewall", None)),
        "Northgate reports it is filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL),
        "Both providers report they are filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL, leg("Cleanpipe", Status.MITIGATING)),
        "All 3 providers report they are filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, REFUSED),
        "Tidewall refused; Northgate reports it is filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, SILENT, TIDEWALL),
        "Northgate does not answer; Tidewall reports it is filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, leg("Northgate", Status.EXCEEDED), TIDEWALL),
        "Northgate cannot stop all of the attack on Shop front-end.",
    ),
    (
        asked(RequestStatus.ATTACK_STOPPED, *STOPPED),
        "Providers report the attack has stopped. Filtering is still on.",
    ),
    (
        asked(RequestStatus.ATTACK_STOPPED, STOPPED[0]),
        "Northgate reports the attack has stopped. Filtering is still on.",
    ),
    (
        asked(RequestStatus.FAILING, SILENT, REFUSED),
        "No provider has confirmed help. Still trying.",
    ),
    (
        asked(RequestStatus.FAILING, LOOPED, REFUSED),
        "No provider has confirmed help. Still trying.",
    ),
    (asked(RequestStatus.FAILING, LOOPED), "No provider has confirmed help."),
    (asked(RequestStatus.FAILING, LOOPED, is_plan=True), "No provider holds the plan."),
    (asked(RequestStatus.TERMINATING, TOLD), "Told Northgate to stop."),
    (
        asked(RequestStatus.TERMINATING, TOLD, GONE),
        "Told both providers to stop. Tidewall has confirmed.",
    ),
    (asked(RequestStatus.TERMINATING, UNTOLD, GONE), "Northgate cannot be told yet."),
    (asked(RequestStatus.TERMINATED, *ENDED), "Terminated. Both providers confirmed."),
    (asked(RequestStatus.TERMINATED, ENDED[0], REFUSED), "Terminated. Northgate confirmed."),
    (
        asked(RequestStatus.TERMINATED, leg("Northgate", Status.TERMINATED, sent_at=None)),
        "Terminated. Nothing had been sent.",
    ),
    (
        asked(RequestStatus.EXPIRED, leg("Northgate", Status.EXPIRED), ended_at=ago(60)),
        "The lifetime ran out at 03:26. Nothing is asked any more.",
    ),
    (
        asked(RequestStatus.DECLINED, declined_by="dana", declined_because="a drill is on"),
        "dana declined this: a drill is on. Nothing was sent.",
    ),
]


@pytest.mark.parametrize(("one", "sentence"), HEADLINES)
def test_a_headline_names_the_worst_leg_first_and_counts_only_when_all_agree(
    one: Asked, sentence: str
) -> None:
    assert plain(wording.headline(one, NOW)) == sentence


def test_every_status_of_a_request_has_its_headline_pinned() -> None:
    assert {one.status for one, _ in HEADLINES} == set(RequestStatus)


def test_what_was_reported_long_ago_is_not_said_to_be_reported_now() -> None:
    silent = Session(state="up", since=ago(9000), last_heard_at=ago(200))
    old = leg("Northgate", Status.MITIGATING, silent, mitigating_at=ago(920))

    one = asked(RequestStatus.MITIGATING, old)

    assert wording.headline(one, NOW) == "Northgate last reported it is filtering."
    assert "Nothing heard from Northgate since 03:24:21" in wording.lead(one, NOW)


def test_the_lead_of_a_request_says_how_much_and_until_when() -> None:
    one = asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL)

    assert plain(wording.lead(one, NOW)) == (
        "Together they drop 4.3 Gbit/s. Filtering stays on and renews itself until you terminate it."
    )


def test_the_lead_of_a_silent_request_names_who_is_silent_and_keeps_asking() -> None:
    one = asked(RequestStatus.REQUESTING, SILENT, leg("Tidewall", Status.PENDING, sent_at=ago(7)))

    assert plain(wording.lead(one, NOW)) == (
        "Northgate Scrubbing has not answered since 03:27:24. Tidewall was asked 7 s ago. "
        "The portal keeps asking both, also when you close this page."
    )


NEXT = [
    (asked(RequestStatus.REQUESTING, leg("Northgate", Status.PENDING, sent_at=ago(2))), None),
    (asked(RequestStatus.REQUESTING, SILENT), wording.Act.CALL),
    (asked(RequestStatus.IN_PROGRESS, leg("Northgate", Status.IN_PROGRESS)), None),
    (asked(RequestStatus.MITIGATING, NORTHGATE), None),
    (asked(RequestStatus.MITIGATING, leg("Northgate", Status.EXCEEDED)), wording.Act.CALL),
    (asked(RequestStatus.ATTACK_STOPPED, *STOPPED), wording.Act.TERMINATE),
    (asked(RequestStatus.FAILING, SILENT), wording.Act.CALL),
    (asked(RequestStatus.TERMINATING, TOLD), None),
    (asked(RequestStatus.TERMINATING, UNTOLD), wording.Act.CALL),
    (asked(RequestStatus.TERMINATED, *ENDED), wording.Act.ACKNOWLEDGE),
    (asked(RequestStatus.EXPIRED, leg("Northgate", Status.EXPIRED)), wording.Act.AGAIN),
]


@pytest.mark.parametrize(("one", "act"), NEXT)
def test_there_is_one_next_step_at_most(one: Asked, act: wording.Act | None) -> None:
    step = wording.next_step(one, NOW)

    assert (step.act if step else None) == act


def test_the_track_shows_confirmed_steps_and_none_that_nobody_confirmed() -> None:
    filtering = wording.track(NORTHGATE, NOW)
    silent = wording.track(SILENT, NOW)
    refused = wording.track(
        leg("Tidewall", Status.REFUSED, confirmed_at=None, ended_at=ago(9)), NOW
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


def test_the_question_before_terminating_says_what_will_come_through() -> None:
    one = asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL)

    question = wording.terminate_question(one, ["203.0.113.0/26"], NOW)

    assert question.title == "Terminate while the attack goes on?"
    assert [plain(point) for point in question.points] == [
        "Northgate and Tidewall are told to stop filtering 203.0.113.0/26.",
        "Right now they drop 4.3 Gbit/s. That traffic will reach you, usually within minutes.",
        "You can request again at any time; providers may take a minute to start over.",
    ]
    assert (question.keep, question.is_filtering) == ("Keep filtering", True)


SESSIONS = [
    (UP, "Connected", "Since 2 October. Last heard 2 s ago."),
    (
        Session(state="up", since=ago(9000), last_heard_at=ago(107)),
        "Connected, answers lost",
        "Requests still go out. Nothing heard for 107 s; usual when the link is full.",
    ),
    (Session(state="connecting", since=ago(961)), "Connecting", "Trying since 03:11:40."),
    (DOWN, "Unreachable", "Unreachable since 03:11:40: no route."),
]


@pytest.mark.parametrize(("session", "word", "sentence"), SESSIONS)
def test_a_session_says_since_when(session: Session, word: str, sentence: str) -> None:
    assert wording.session_look(session, NOW).word == word
    assert plain(wording.session_sentence(session, NOW)) == sentence


def test_ready_is_said_only_when_every_provider_is_connected() -> None:
    ready = wording.calm_says([("Northgate", UP), ("Tidewall", UP)])
    half = wording.calm_says([("Northgate", UP), ("Tidewall", DOWN)])
    lost = wording.calm_says([("Northgate", DOWN)])

    assert (ready.headline, ready.look.family) == ("Ready. Nothing is being mitigated.", "good")
    assert half.headline == "Nothing is being mitigated. Tidewall is not connected."
    assert lost.headline == "Not ready: no provider is connected."


def test_the_page_opens_with_the_worst_request_and_a_word_on_the_other() -> None:
    worst = Asked(
        name="Mail relays",
        status=RequestStatus.MITIGATING,
        legs=(leg("Northgate", Status.EXCEEDED),),
    )
    other = asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL)

    said = wording.attack_says([worst, other], NOW)

    assert said.headline == "Northgate cannot stop all of the attack on Mail relays."
    assert said.lead.endswith(
        "Your other live request, Shop front-end, is mitigating at both providers."
    )
    assert wording.rank(worst, NOW) < wording.rank(other, NOW)


REFUSALS = [
    (
        {
            "code": "4.09",
            "conflict": {"reason": "You already have a newer request for these addresses."},
        },
        "You already have a newer request for these addresses.",
    ),
    ({"code": "4.00", "reason": "prefix unknown"}, "Tidewall says: prefix unknown."),
    ({"code": "4.29"}, "Too many requests (code 4.29)."),
    ({"code": "4.99"}, "Tidewall gave no reason (code 4.99)."),
]


@pytest.mark.parametrize(("facts", "sentence"), REFUSALS)
def test_a_refusal_has_its_reason_in_words(facts: dict[str, Any], sentence: str) -> None:
    assert wording.refusal_sentence("Tidewall", **facts) == sentence


def told(type: EventType, data: dict[str, Any], **facts: Any) -> wording.Told:
    return wording.Told(at=NOW, type=type, data=data, provider="Northgate", actor="alice", **facts)


ENTRIES = [
    (
        told(EventType.REQUEST_SUBMITTED, {}, request="Shop front-end", reason="UDP flood"),
        "alice requested mitigation for Shop front-end.",
        "UDP flood",
    ),
    (told(EventType.MITIGATION_SENT, {}), "Sent to Northgate.", ""),
    (
        told(
            EventType.MITIGATION_STATUS,
            {"status": "in_progress", "previous": "pending", "lifetime": 3600},
        ),
        "Northgate accepted.",
        "Granted 1 hour.",
    ),
    (
        told(
            EventType.MITIGATION_STATUS,
            {"status": "mitigating", "previous": "in_progress"},
            asked_at=ago(17),
        ),
        "Northgate reports it is filtering.",
        "17 s after the request.",
    ),
    (
        told(
            EventType.MITIGATION_STATUS, {"status": "pending", "previous": "refused", "why": "turn"}
        ),
        "The portal asks Northgate again.",
        "Nobody helps yet.",
    ),
    (
        told(
            EventType.MITIGATION_STATUS,
            {"status": "pending", "previous": "pending", "why": "identity"},
        ),
        "Another client uses the same identity at Northgate.",
        "The portal made a new one and sends again.",
    ),
    (
        told(EventType.MITIGATION_STATUS, {"status": "pending", "why": "lifetime over"}),
        "The lifetime at Northgate ran out.",
        "The portal asks again.",
    ),
    (
        told(EventType.MITIGATION_STATUS, {"status": "withdrawn", "why": "superseded"}),
        "Northgate replaced this by your newer request.",
        "It holds only the newer of two requests for the same addresses.",
    ),
    (
        told(EventType.MITIGATION_STATUS, {"status": "pending", "previous": "mitigating"}),
        "Northgate no longer has this request.",
        "The portal asks again.",
    ),
    (
        told(EventType.MITIGATION_STATUS, {"status": "terminating", "told": True}),
        "Northgate was told to stop and is winding down.",
        "It may filter a little longer, to avoid a second wave.",
    ),
    (
        told(EventType.MITIGATION_REFUSED, {"code": "4.99", "reason": ""}),
        "Northgate refused.",
        "Northgate gave no reason (code 4.99).",
    ),
    (
        told(EventType.MITIGATION_EFFICACY, {"attack_status": "under-attack", "answered": False}),
        "alice told Northgate: still under attack.",
        "",
    ),
    (
        told(EventType.REQUEST_EXTENDED, {"lifetime": 14400}),
        "alice extended the request for 4 hours from then.",
        "",
    ),
]


@pytest.mark.parametrize(("one", "what", "detail"), ENTRIES)
def test_the_timeline_says_who_did_what(one: wording.Told, what: str, detail: str) -> None:
    entry = wording.entry(one)

    assert entry is not None
    assert (plain(entry.what), plain(entry.detail)) == (what, detail)


def test_the_same_said_of_two_providers_at_once_is_one_entry() -> None:
    entries = [
        wording.entry(wording.Told(at=NOW, type=EventType.MITIGATION_SENT, data={}, provider=short))
        for short in ("Tidewall", "Northgate")
    ]

    [entry] = wording.merged([one for one in entries if one])

    assert entry.what == "Sent to Northgate and Tidewall."


@pytest.mark.parametrize(
    ("waits", "detail"), [({}, "The portal keeps trying."), ({"waits": True}, "")]
)
def test_nobody_is_said_to_try_who_waits_for_a_person(waits: dict[str, bool], detail: str) -> None:
    entry = wording.entry(told(EventType.REQUEST_STATUS, {"status": "failing", **waits}))

    assert entry is not None
    assert (entry.what, entry.detail) == ("No provider has confirmed help.", detail)


def test_only_failing_and_withdrawn_interrupt_a_reader() -> None:
    failing = told(EventType.REQUEST_STATUS, {"status": "failing"}, request="VPN")
    withdrawn = told(EventType.MITIGATION_STATUS, {"status": "withdrawn", "previous": "mitigating"})
    filtering = told(
        EventType.MITIGATION_STATUS, {"status": "mitigating", "previous": "in_progress"}
    )
    counters = told(EventType.MITIGATION_COUNTERS, {"bps_dropped": 1})
    stuck = told(EventType.REQUEST_STATUS, {"status": "failing", "waits": True}, request="VPN")

    heard = [wording.announcement(one) for one in (failing, stuck, withdrawn, filtering, counters)]

    assert heard == [
        wording.Announcement("VPN: no provider has confirmed help. Still trying.", is_urgent=True),
        wording.Announcement("VPN: no provider has confirmed help.", is_urgent=True),
        wording.Announcement("Northgate: withdrawn.", is_urgent=True),
        wording.Announcement("Northgate: mitigating."),
        None,
    ]


def test_no_sentence_uses_a_word_of_the_protocol() -> None:
    sentences = [text for _, *texts in LANES for text in texts]
    sentences += [text for _, text in HEADLINES] + [text for _, *texts in ENTRIES for text in texts]
    forbidden = ("DOTS", "CoAP", "DTLS", "PUT", "CBOR", "invalid", "in progress", "successfully")

    assert not [text for text in sentences for word in forbidden if word in text]

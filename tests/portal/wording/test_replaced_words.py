"""Sentences about a request whose provider holds a newer one instead."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from portal import wording
from portal.core.targets import PortRange, Targets
from portal.mitigations.models import Newer, ReplacedBy
from portal.mitigations.overlaps import Coverage, losses
from portal.mitigations.states import RequestStatus, Status
from portal.wording.next_step import Act
from portal.wording.replaced import taken_over
from portal.wording.replacement_losses import loss_sentences, taken_away
from tests.portal.wording.facts import NOW, PROTOCOL_WORDS, ago, asked, mitigation, plain

WIDE, PART = "2001:db8:10:a0::/60", "2001:db8:10:a1::/64"


def newer(name: str = PART, targets: tuple[str, ...] = (PART,), **narrowed: Any) -> Newer:
    return Newer(
        request=UUID(int=1),
        name=name,
        targets=targets,
        ports=narrowed.get("ports", ()),
        protocols=narrowed.get("protocols", ()),
    )


def replaced(
    by: list[Newer], lost: list[str], short: str = "Northgate", **facts: Any
) -> wording.MitigationFacts:
    kept = ReplacedBy(by=tuple(by), lost=tuple(lost), loses=())
    facts = {"mitigating_at": ago(900), **facts}
    return mitigation(
        short, Status.WITHDRAWN, is_replaced=True, taken_over=taken_over(kept), **facts
    )  # fmt: skip


SAID = [
    (
        [replaced([newer()], [WIDE])],
        f"Northgate stopped filtering {WIDE}: the newer request covers only {PART}.",
        "octagon",
    ),
    (
        [replaced([newer()], [WIDE], mitigating_at=None)],
        f"Northgate dropped the request for {WIDE}: the newer request covers only {PART}.",
        "octagon",
    ),
    (
        [replaced([newer()], [WIDE]), replaced([newer()], [WIDE], "Tidewall")],
        f"Northgate and Tidewall stopped filtering {WIDE}: the newer request covers only {PART}.",
        "octagon",
    ),
    (
        [replaced([newer()], [WIDE]), replaced([newer()], [], "Tidewall")],
        f"Northgate stopped filtering {WIDE}: the newer request covers only {PART}.",
        "octagon",
    ),
    (
        [replaced([newer(targets=(WIDE,), protocols=(6,), ports=(PortRange(443, 443),))],
        [WIDE])],
        (
            f"Northgate stopped filtering {WIDE}: the newer request covers only TCP, port 443 of "
            f"{WIDE}."
        ),
        "octagon",
    ),
    (
        [replaced([newer("a", ("a.example",)), newer("b", ("b.example",))], ["c.example"])],
        (
            "Northgate stopped filtering c.example: the newer requests cover only a.example and "
            "b.example."
        ),
        "octagon",
    ),
    (
        [replaced([newer()], ["a", "b", "c", "d", "e"])],
        f"Northgate stopped filtering a, b, c and 2 more: the newer request covers only {PART}.",
        "octagon",
    ),
    (
        [replaced([], [WIDE])],
        f"Northgate stopped filtering {WIDE}: it holds a newer one that the portal does not know.",
        "octagon",
    ),
    (
        [mitigation("Northgate", Status.WITHDRAWN, is_replaced=True, taken_over=taken_over(None))],
        "Northgate replaced this by a newer request for some of the same addresses.",
        "octagon",
    ),
    (
        [replaced([newer()], [])],
        "Replaced by a newer request that covers all of it.",
        "square-tick",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("mitigations", "sentence", "shape"), SAID)
def test_the_headline_names_the_targets_no_longer_filtered(
    mitigations: list[wording.MitigationFacts], sentence: str, shape: str
) -> None:
    one = asked(RequestStatus.TERMINATED, *mitigations)

    said = wording.request_says(one, NOW)

    assert plain(said.headline) == sentence
    assert (said.badge.word, said.badge.shape) == ("Replaced", shape)
    assert "same addresses." not in said.headline or shape == "octagon"


@pytest.mark.parametrize(
    ("ended_by", "act"),
    [
        ("newer_request", Act.AGAIN),
        ("provider", Act.AGAIN),
        ("lifetime", Act.AGAIN),
        ("wider_request", Act.ACKNOWLEDGE),
        ("person", Act.ACKNOWLEDGE),
        ("", Act.ACKNOWLEDGE),
    ],
)
def test_a_request_that_ended_on_its_own_offers_a_new_request(ended_by: str, act: Act) -> None:
    one = asked(RequestStatus.TERMINATED, replaced([newer()], [WIDE]), ended_by=ended_by)

    step = wording.next_step(one, NOW)

    assert step is not None
    assert step.act == act


def test_a_request_that_a_person_terminated_says_so_whatever_was_replaced_before() -> None:
    ended = mitigation("Tidewall", Status.TERMINATED, ended_at=ago(60))
    one = asked(RequestStatus.TERMINATED, replaced([newer()], [WIDE]), ended)

    assert wording.headline(one, NOW) == "Terminated. Tidewall confirmed."
    assert wording.request_badge(one, NOW).word == "Terminated"


def test_an_unrequested_end_is_called_unrequested() -> None:
    ended = mitigation("Northgate", Status.TERMINATED, ended_at=ago(60))
    one = asked(RequestStatus.TERMINATED, ended, ended_by="provider")

    assert wording.headline(one, NOW) == "Northgate ended this. No one here asked for that."
    badge = wording.request_badge(one, NOW)
    assert (badge.word, badge.family) == ("Withdrawn", "bad")


def test_an_expired_lifetime_is_named_whatever_the_provider_reported() -> None:
    ended = mitigation("Northgate", Status.TERMINATED, ended_at=ago(60))
    one = asked(RequestStatus.TERMINATED, ended, ended_by="lifetime", ended_at=ago(60))

    assert wording.headline(one, NOW).startswith("The lifetime ran out")
    assert wording.request_badge(one, NOW).word == "Expired"


@pytest.mark.parametrize(("lost", "family"), [([WIDE], "bad"), ([], "idle")])
def test_the_card_of_a_replaced_mitigation_is_called_replaced(lost: list[str], family: str) -> None:
    badge = wording.mitigation_badge(replaced([newer()], lost), NOW)

    assert (badge.word, badge.family) == ("Replaced", family)


@pytest.mark.parametrize(
    ("mitigations", "fact", "rest"),
    [
        (
            replaced([newer()], [WIDE]),
            "Replaced at 03:11:40 by your newer request.",
            f"It covers only {PART}. Northgate no longer filters the rest of {WIDE}.",
        ),
        (
            replaced([newer()], []),
            "Replaced at 03:11:40 by your newer request.",
            "It covers all of this one.",
        ),
    ],
)
def test_the_card_names_the_targets_still_covered(
    mitigations: wording.MitigationFacts, fact: str, rest: str
) -> None:
    shown = wording.MitigationFacts(
        **{name: getattr(mitigations, name) for name in mitigations.__slots__}
        | {"ended_at": ago(961)}
    )

    said = wording.tell(shown, NOW, before=(), patience_s=10)

    assert tuple(map(plain, said)) == (fact, rest)


def coverage(
    prefixes: tuple[str, ...] = (), fqdns: tuple[str, ...] = (), **traffic: Any
) -> Coverage:
    scope = Targets.saved(prefixes=prefixes, fqdns=fqdns)
    return Coverage.of(scope, traffic.get("ports", ()), traffic.get("protocols", ()))


LOST = [
    (coverage(("203.0.113.64/27",)), coverage(("203.0.113.66/32",)),
     "203.0.113.64/27 except 203.0.113.66/32",
     "31 of 32 addresses of 203.0.113.64/27 lose their filter."),
    (coverage(("203.0.113.64/31",)), coverage(("203.0.113.64/32",)),
     "203.0.113.64/31 except 203.0.113.64/32",
     "1 of 2 addresses of 203.0.113.64/31 loses its filter."),
    (coverage((WIDE,)), coverage((PART,)),
     f"{WIDE} except {PART}",
     f"15 of 16 /64 networks of {WIDE} lose their filter."),
    (coverage((WIDE,)), coverage(("2001:db8:10:a1::7/128",)),
     f"{WIDE} except 2001:db8:10:a1::7/128",
     f"{WIDE} loses its filter, except 2001:db8:10:a1::7/128."),
    (coverage(("2001:db8::/32",)), coverage(("2001:db8:8000::/33",)),
     "2001:db8::/32 except 2001:db8:8000::/33",
     "2001:db8::/32 loses its filter, except 2001:db8:8000::/33."),
    (coverage(("10.0.0.0/8",)), coverage(("10.1.0.0/16",)),
     "10.0.0.0/8 except 10.1.0.0/16",
     "16,711,680 of 16,777,216 addresses of 10.0.0.0/8 lose their filter."),
    (coverage(("203.0.113.7/32", "203.0.113.9/32")), coverage(("203.0.113.9/32",)),
     "203.0.113.7/32",
     "203.0.113.7/32 loses its filter."),
    (coverage(("203.0.113.64/27", "203.0.113.9/32")), coverage(("203.0.113.9/32",)),
     "203.0.113.64/27",
     "All 32 addresses of 203.0.113.64/27 lose their filter."),
    (coverage((PART,), protocols=(6, 17)), coverage((PART,), protocols=(6,)),
     f"{PART} except TCP",
     f"{PART} keeps its filter only for TCP."),
    (coverage(("203.0.113.64/27",)), coverage(("203.0.113.66/32",), ports=(PortRange(443, 443),)),
     "203.0.113.64/27 except any protocol, port 443 of 203.0.113.66/32",
     (
         "31 of 32 addresses of 203.0.113.64/27 lose their filter; 203.0.113.66/32 keeps its "
         "filter only for any protocol, port 443."
     )),
    (coverage(fqdns=("a.example", "b.example")), coverage(fqdns=("a.example",)),
     "b.example",
     "b.example loses its filter."),
    (coverage(fqdns=("a.example",)), coverage(fqdns=("a.example",), protocols=(17,)),
     "a.example except UDP",
     "a.example keeps its filter only for UDP."),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words", "sentence"), LOST)
def test_small_losses_are_counted_in_addresses_or_networks(
    old: Coverage, new: Coverage, words: str, sentence: str
) -> None:
    [loss] = losses(old, [new])

    assert str(loss) == words
    assert loss_sentences([loss], is_filtering=True) == [sentence]
    unsaid = loss_sentences([loss], is_filtering=False)[0]
    assert "filter" not in unsaid
    assert not any(word in sentence for word in PROTOCOL_WORDS)


def test_many_losses_are_named_up_to_four_and_counted() -> None:
    old = coverage(tuple(f"203.0.113.{index}/32" for index in range(7)))

    said = loss_sentences(losses(old, []), is_filtering=True)

    assert len(said) == 5
    assert said[-1] == "3 more targets lose their filter."


def test_providers_that_lose_the_same_are_named_together() -> None:
    lost = losses(coverage(("203.0.113.64/27",)), [coverage(("203.0.113.66/32",))])
    other = losses(coverage(fqdns=("a.example",)), [])

    said = taken_away(
        [("Northgate", lost), ("Tidewall", lost), ("Harbour", other), ("Fourth", ())],
        is_filtering=True,
    )

    assert said == (
        "At Northgate and Tidewall, 31 of 32 addresses of 203.0.113.64/27 lose their filter."
        " At Harbour, a.example loses its filter."
    )

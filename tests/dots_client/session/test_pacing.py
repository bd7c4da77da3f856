from __future__ import annotations

import pytest

from dots_client.session import Pacer
from dots_client.session.pacing import BURST


def sent_until(end: float, *, askers: int, rtt_s: float) -> int:
    """When `askers` requests send, each repeating as often as allowed, until `end`."""
    pacer = Pacer(now=0.0)
    due = [0.0] * askers
    for _ in due:
        pacer.sent(now=0.0, rtt_s=rtt_s)
    count = askers
    due = [rtt_s] * askers
    while min(due) < end:
        asker = due.index(min(due))
        at = pacer.reserve(now=due[asker], rtt_s=rtt_s)
        if at < end:
            count += 1
        due[asker] = at + rtt_s
    return count


@pytest.mark.rule("SC-018")
@pytest.mark.parametrize("askers", [1, 2, 10, 50])
def test_many_requests_together_send_one_datagram_per_round_trip(askers: int) -> None:
    seconds, rtt_s = 100.0, 0.1

    count = sent_until(seconds, askers=askers, rtt_s=rtt_s)

    assert count <= seconds / rtt_s + BURST + 1
    assert count >= seconds / rtt_s - 1, "and no fewer"


@pytest.mark.rule("SC-020")
def test_a_first_copy_never_waits_and_neither_does_a_lone_repeat() -> None:
    pacer = Pacer(now=0.0)
    for _ in range(BURST - 1):
        pacer.sent(now=0.0, rtt_s=None)

    assert pacer.reserve(now=0.0, rtt_s=None) == 0.0
    assert pacer.reserve(now=0.0, rtt_s=None) == 3.0


@pytest.mark.rule("SC-019")
def test_without_an_estimate_repeats_share_one_datagram_in_three_seconds() -> None:
    pacer = Pacer(now=0.0)
    for _ in range(10):
        pacer.sent(now=0.0, rtt_s=None)

    slots = [pacer.reserve(now=3.0, rtt_s=None) for _ in range(3)]

    assert slots == pytest.approx([21.0, 24.0, 27.0])


def test_a_late_estimate_shortens_the_backlog() -> None:
    pacer = Pacer(now=0.0)
    for _ in range(10):
        pacer.sent(now=0.0, rtt_s=None)

    assert pacer.reserve(now=1.0, rtt_s=0.1) == 1.0


def test_a_round_trip_of_nothing_is_survived() -> None:
    pacer = Pacer(now=0.0)

    assert pacer.reserve(now=0.0, rtt_s=0.0) == 0.0

from __future__ import annotations

import pytest

from dots_client.session import Candidate, ConnectionHistory

UDP4, TCP4 = Candidate("dtls", "192.0.2.1"), Candidate("tls", "192.0.2.1")


@pytest.mark.rule("SC-110")
def test_the_winner_is_preferred_for_ten_minutes() -> None:
    history = ConnectionHistory()
    assert history.preferred(now=0.0) is None

    history.won(TCP4, now=0.0)

    assert history.preferred(now=599.0) == TCP4
    assert history.preferred(now=600.0) is None


def test_a_round_trip_counts_for_its_candidate_for_ten_minutes() -> None:
    history = ConnectionHistory()
    assert history.rtt_s(UDP4, now=0.0) is None

    history.measured(UDP4, rtt_s=0.1, now=0.0)

    assert history.rtt_s(UDP4, now=599.0) == 0.1
    assert history.rtt_s(TCP4, now=599.0) is None
    assert history.rtt_s(now=599.0) == 0.1
    assert history.rtt_s(now=600.0) is None
    assert history.rtt_s(UDP4, now=600.0) is None

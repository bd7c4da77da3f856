"""A session under any sequence of events, which Hypothesis generates."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dots_client.session import (
    Liveness,
    LivenessParameters,
    NotificationOrder,
    Reconnect,
    Retransmission,
    RttEstimator,
)
from dots_client.session.notification_order import FRESH_FOR_S, SEQUENCE_WINDOW
from dots_client.session.reconnect import MIN_PEACE_DELAY_S
from dots_client.session.retransmission import INTERVAL_WITHOUT_RTT_S

SECONDS = st.floats(min_value=0.0, max_value=500.0)
ROUND_TRIPS = st.floats(min_value=-1.0, max_value=100.0)


class OneServer(RuleBasedStateMachine):
    """A client's session with one server, its heartbeats and one request."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.rng = Random(1)
        self.reconnect = Reconnect(rng=self.rng)
        self.rtt = RttEstimator()
        self.liveness: Liveness | None = None
        self.request: Retransmission | None = None
        self.is_mitigating = False
        self.was_attacked = False
        "since the last attempt to connect"
        self.attempted_at: float | None = None
        self.attempts = 0
        "since the last session"
        self.sent: list[tuple[float, float | None]] = []
        "when the request was sent, and the round trip known then"
        self.sessions = 0

    # Time

    @rule(elapsed=SECONDS)
    def time_passes(self, elapsed: float) -> None:
        self.now += elapsed

    @rule()
    def the_next_timer_comes(self) -> None:
        timers = [
            timed.next_timer() for timed in (self.request, self.liveness) if timed is not None
        ]
        self.now = max(self.now, min((at for at in timers if at is not None), default=self.now))

    # What the owner of the session does

    @precondition(lambda self: self.liveness is None)
    @rule()
    def owner_connects_when_due(self) -> None:
        due_at = self.reconnect.next_attempt_at(now=self.now, is_under_attack=self.is_mitigating)
        if due_at > self.now:
            return
        if self.attempted_at is not None and self.attempts and not self.was_attacked:
            assert self.now - self.attempted_at >= MIN_PEACE_DELAY_S
        self.reconnect.attempted(now=self.now)
        self.attempts += 1
        self.attempted_at = self.now
        self.was_attacked = self.is_mitigating

    @precondition(lambda self: self.liveness is None and self.attempts)
    @rule(handshake_s=ROUND_TRIPS)
    def the_handshake_is_done(self, handshake_s: float) -> None:
        parameters = LivenessParameters(heartbeat_interval_s=30, missing_hb_allowed=3)
        self.liveness = Liveness(now=self.now, parameters=parameters)
        self.liveness.set_mitigating(is_mitigating=self.is_mitigating, now=self.now)
        self.rtt = RttEstimator()
        self.rtt.add(handshake_s)
        self.reconnect.succeeded(now=self.now)
        self.attempts = 0
        self.sessions += 1

    @precondition(lambda self: self.liveness is not None)
    @rule()
    def owner_looks_at_the_heartbeats(self) -> None:
        assert self.liveness is not None
        if self.liveness.is_lost(now=self.now):
            assert not self.is_mitigating
            assert self.liveness.unanswered >= 3
            self._end()
        elif self.liveness.is_due(now=self.now):
            self.liveness.sent(now=self.now)
            assert not self.liveness.is_due(now=self.now)

    @precondition(lambda self: self.liveness is not None)
    @rule()
    def owner_asks_for_help(self) -> None:
        if self.request is None:
            self.request = Retransmission(now=self.now, rng=self.rng)
            self.sent = []

    @precondition(lambda self: self.request is not None)
    @rule()
    def owner_repeats_the_request_when_due(self) -> None:
        assert self.request is not None
        due_at = self.request.next_timer()
        assert due_at is not None
        if due_at <= self.now:
            self.request.sent(now=self.now, rtt_s=self.rtt.rtt_s)
            self.sent.append((self.now, self.rtt.rtt_s))

    @rule(is_mitigating=st.booleans())
    def the_attack_begins_or_ends(self, is_mitigating: bool) -> None:
        self.is_mitigating = is_mitigating
        self.was_attacked |= is_mitigating
        if self.liveness is not None:
            self.liveness.set_mitigating(is_mitigating=is_mitigating, now=self.now)

    # What comes from the server

    @precondition(lambda self: self.liveness is not None)
    @rule(round_trip_s=ROUND_TRIPS, is_for_request=st.booleans())
    def an_answer_comes(self, round_trip_s: float, is_for_request: bool) -> None:
        assert self.liveness is not None
        self.rtt.add(round_trip_s)
        self.liveness.answered(now=self.now)
        assert self.liveness.unanswered == 0
        if is_for_request:
            self.request = None

    @precondition(lambda self: self.liveness is not None)
    @rule(is_seen=st.booleans())
    def a_heartbeat_comes(self, is_seen: bool) -> None:
        assert self.liveness is not None
        self.liveness.peer_heartbeat_received(now=self.now)
        if not is_seen:
            self.liveness.hurry(now=self.now)
        assert self.liveness.peer_hb_status(now=self.now)

    @precondition(lambda self: self.liveness is not None)
    @rule(
        interval_s=st.just(0.0) | st.floats(min_value=0.05, max_value=240.0),
        missing=st.integers(1, 30),
    )
    def another_configuration_comes(self, interval_s: float, missing: int) -> None:
        assert self.liveness is not None
        self.liveness.configure(
            LivenessParameters(heartbeat_interval_s=interval_s, missing_hb_allowed=max(3, missing)),
            now=self.now,
        )

    @precondition(lambda self: self.liveness is not None)
    @rule()
    def the_server_closes_the_session(self) -> None:
        self._end()

    def _end(self) -> None:
        self.liveness = None
        self.request = None
        self.sessions -= 1

    # What holds at any time

    @invariant()
    def there_is_one_session_at_most(self) -> None:
        assert self.sessions == (self.liveness is not None)

    @invariant()
    def the_round_trip_makes_sense(self) -> None:
        assert self.rtt.rtt_s is None or 0 <= self.rtt.rtt_s <= 60

    @invariant()
    def the_request_keeps_its_pace(self) -> None:
        for (before, rtt_s), (after, _) in zip(self.sent, self.sent[1:], strict=False):
            interval_s = INTERVAL_WITHOUT_RTT_S if rtt_s is None else rtt_s
            assert after - before >= interval_s * (1 - 1e-9)


TestOneServer = OneServer.TestCase
TestOneServer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(deadline=None)
@given(
    arrivals=st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 2**24 - 1)),
            st.floats(min_value=0.0, max_value=FRESH_FOR_S / 40),
        ),
        max_size=39,
    )
)
def test_no_notification_is_news_twice_and_none_after_a_newer_one(
    arrivals: list[tuple[int | None, float]],
) -> None:
    order = NotificationOrder()
    now = 0.0
    latest: int | None = None
    for observe, elapsed in arrivals:
        now += elapsed
        if order.is_news(observe, now=now) and observe is not None:
            assert latest is None or 0 < (observe - latest) % 2**24 <= SEQUENCE_WINDOW
            latest = observe

from __future__ import annotations

import pytest

from dots_client import LocalProtocolError, MitigationStatus
from tests.dots_server.servers import (
    HEARTBEAT,
    START,
    Filters,
    ask,
    channel,
    open_session,
    prefix_of,
    put,
    report,
)

Status = MitigationStatus


def test_the_mitigator_decides_the_next_status_and_is_notified_of_every_status() -> None:
    filters = Filters()
    server = channel(mitigator=filters, terminating_s=10)

    put(server, 0)
    server.advance(now=START)
    assert report(ask(server, 0)).status is Status.MITIGATING
    assert report(ask(server, 0)).bytes_dropped == 7
    ask(server, 0, "DELETE")
    for later in (11, 20):
        server.advance(now=START + later)

    assert filters.statuses == [
        (1, Status.IN_PROGRESS),
        (1, Status.MITIGATING),
        (1, Status.TERMINATING),
        (1, Status.TERMINATED),
    ]
    assert filters.running == set()


def test_a_status_that_no_mitigator_can_cause_is_an_error() -> None:
    server = channel(mitigator=Filters({Status.IN_PROGRESS: Status.TERMINATED}))
    put(server, 0)

    with pytest.raises(LocalProtocolError, match="cannot move IN_PROGRESS to TERMINATED"):
        server.advance(now=START)


def test_a_mitigator_that_cannot_decide_does_not_stop_the_server() -> None:
    flapping = {
        Status.IN_PROGRESS: Status.MITIGATING,
        Status.MITIGATING: Status.EXCEEDED_CAPABILITY,
        Status.EXCEEDED_CAPABILITY: Status.MITIGATING,
    }
    server = channel(mitigator=Filters(flapping))
    put(server, 0)

    server.advance(now=START)

    assert report(ask(server, 0)).status in flapping


def test_a_mitigator_that_learns_something_is_asked_again_when_it_touches_the_client() -> None:
    filters = Filters({})
    server = channel(mitigator=filters)
    put(server, 0, lifetime=3600)
    server.advance(now=START)
    assert server.next_timer(now=START) == START + 3600

    filters.next = {Status.IN_PROGRESS: Status.EXCEEDED_CAPABILITY}
    server.touch("client-0")

    assert server.next_timer(now=START) == START
    server.advance(now=START)
    assert report(ask(server, 0)).status is Status.EXCEEDED_CAPABILITY


def test_a_mitigation_outlives_the_terminated_one_whose_mid_it_took() -> None:
    filters = Filters()
    server = channel(mitigator=filters, terminating_s=0)
    put(server, 0)
    ask(server, 0, "DELETE")
    server.advance(now=START, client="client-0")

    other = f"{prefix_of(0).removesuffix('::/48')}:7::/64"
    assert put(server, 0, target=other).code == "2.01"
    for later in range(10):
        server.advance(now=START + later, client="client-0")

    assert report(ask(server, 0)).status is Status.MITIGATING
    assert [held.scope.targets.target_prefix for held in filters.running] == [(other,)]


def test_a_client_that_is_lost_before_the_first_heartbeat_of_its_new_session_is_lost() -> None:
    server = channel()
    put(server, 0, trigger_mitigation=False)
    server.receive(0, HEARTBEAT, now=START)
    server.close_session(0)
    open_session(server, 0, START + 100)

    ask(server, 0, now=START + 100)
    server.close_session(0)

    assert server.next_timer(now=START + 101) is not None
    server.advance(now=START + 100 + 450)
    open_session(server, 0, START + 600)
    assert report(ask(server, 0, now=START + 600)).status is Status.IN_PROGRESS


def test_the_winner_of_a_conflict_is_notified_although_another_client_caused_it() -> None:
    server = channel(shared="2001:db8:ff::/48", notify_interval_s=60)
    put(server, 0, target="2001:db8:ff::/48")
    ask(server, 0, observe=0, token=b"t")
    server.advance(now=START + 5)

    assert put(server, 1, target="2001:db8:ff:1::/64").code == "4.09"
    [notification] = server.advance(now=START + 10)

    assert notification.session == 0
    assert report(notification.response).conflict is not None

from __future__ import annotations

import itertools

import pytest

from dots_client import MitigationStatus
from tests.provider_simulator.offline import OfflineProvider, report, scope, statuses

Status = MitigationStatus


def test_a_mitigation_starts_after_the_status_delay() -> None:
    acme = OfflineProvider(status_delay_s=2).client()
    acme.request(1)

    acme.server.wait(1.9)
    assert acme.status(1) is Status.IN_PROGRESS
    acme.server.wait(0.2)

    assert acme.status(1) is Status.MITIGATING


def test_counters_grow_while_mitigating() -> None:
    acme = OfflineProvider().client()
    acme.request(1)
    seen = []
    for _ in range(10):
        acme.server.wait(2)
        seen.append(report(acme.get(1)).bytes_dropped or 0)

    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


def test_the_attack_ends_after_the_chosen_time_and_counters_stop() -> None:
    acme = OfflineProvider(attack_ends_after_s=30).client()
    acme.request(1)
    acme.server.wait(29)
    assert acme.status(1) is Status.MITIGATING

    acme.server.wait(2)
    first = report(acme.get(1))
    acme.server.wait(20)

    assert first.status is Status.ATTACK_STOPPED
    assert report(acme.get(1)).bytes_dropped == first.bytes_dropped


def test_an_attack_beyond_the_capability_has_status_4_until_it_shrinks() -> None:
    acme = OfflineProvider(capability_bps=1e6).client()
    acme.request(1)
    acme.server.wait(5)
    assert acme.status(1) is Status.EXCEEDED_CAPABILITY
    dropped = report(acme.get(1)).bps_dropped
    assert dropped is not None
    assert dropped <= 1e6

    acme.server.behave(capability_bps=None)
    acme.server.wait(1)

    assert acme.status(1) is Status.MITIGATING
    acme.server.behave(capability_bps=1e6)
    acme.server.wait(1)
    assert acme.status(1) is Status.EXCEEDED_CAPABILITY


@pytest.mark.rule("SS-052")
@pytest.mark.rule("SS-053")
@pytest.mark.rule("SS-054")
def test_after_a_delete_the_mitigation_is_active_but_terminating_for_120_seconds() -> None:
    acme = OfflineProvider().client()
    acme.request(1)
    acme.server.wait(10)

    acme.withdraw(1)

    assert acme.status(1) is Status.TERMINATING
    acme.server.wait(119)
    assert acme.status(1) is Status.TERMINATING
    acme.server.wait(2)
    assert acme.status(1) is Status.TERMINATED
    acme.server.wait(5)
    assert acme.get(1).code == "4.04"


def test_a_second_delete_does_not_prolong_the_end() -> None:
    acme = OfflineProvider(terminating_s=10).client()
    acme.request(1)
    acme.withdraw(1)
    acme.server.wait(11)

    assert acme.status(1) is Status.TERMINATED
    assert acme.withdraw(1).code == "2.02"
    assert acme.status(1) is Status.TERMINATED


@pytest.mark.rule("SS-053")
def test_a_new_request_while_terminating_doubles_the_next_period_up_to_300_seconds() -> None:
    server = OfflineProvider()
    acme = server.client()
    acme.request(1)
    periods = []
    for _ in range(3):
        acme.withdraw(1)
        assert acme.request(1).code == "2.04"
        held = server.provider.register.find("acme", acme.cuid, 1)
        assert held is not None
        periods.append(held.terminating_period_s(server.provider.behaviour))

    assert periods == [240, 300, 300]
    assert acme.status(1) is Status.IN_PROGRESS


@pytest.mark.rule("SS-053")
def test_a_new_mid_for_a_terminating_scope_takes_over_with_a_longer_period() -> None:
    server = OfflineProvider()
    acme = server.client()
    acme.request(1)
    acme.withdraw(1)

    assert acme.request(2).code == "2.01"

    held = server.provider.register.find("acme", acme.cuid, 2)
    assert held is not None
    assert held.terminating_period_s(server.provider.behaviour) == 240


def test_the_mid_of_a_terminated_mitigation_can_be_used_again() -> None:
    acme = OfflineProvider(terminating_s=0).client()
    acme.request(1)
    acme.withdraw(1)
    acme.server.wait(0.1)
    assert acme.status(1) is Status.TERMINATED

    assert acme.request(1, scope("203.0.113.99/32")).code == "2.01"


@pytest.mark.parametrize("status", [3, 4, 7])
def test_a_status_set_manually_stays(status: int) -> None:
    server = OfflineProvider()
    acme = server.client()
    acme.request(1)

    assert server.provider.set_status(acme.cuid, 1, Status(status), now=server.now)
    server.wait(60)

    assert acme.status(1) is Status(status)


def test_the_attack_continues_after_status_2_is_set_manually() -> None:
    server = OfflineProvider(attack_ends_after_s=10)
    acme = server.client()
    acme.request(1)
    server.wait(11)
    assert acme.status(1) is Status.ATTACK_STOPPED

    server.provider.set_status(acme.cuid, 1, Status.MITIGATING, now=server.now)
    server.wait(9)
    assert acme.status(1) is Status.MITIGATING
    server.wait(2)

    assert acme.status(1) is Status.ATTACK_STOPPED


def test_statuses_5_and_6_set_manually_end_in_time() -> None:
    server = OfflineProvider(terminating_s=10)
    acme = server.client()
    for mid, status in ((1, Status.TERMINATING), (2, Status.TERMINATED)):
        acme.request(mid, scope(f"203.0.113.{mid}/32"))
        server.provider.set_status(acme.cuid, mid, status, now=server.now)

    server.wait(15)

    assert acme.get().code == "4.04"


def test_the_status_of_an_unknown_mid_cannot_be_set() -> None:
    server = OfflineProvider()

    assert not server.provider.set_status("nobody", 1, Status.MITIGATING, now=server.now)


@pytest.mark.rule("SS-040")
def test_every_change_reaches_an_observer() -> None:
    server = OfflineProvider(attack_ends_after_s=10, terminating_s=5, notify_interval_s=60)
    acme = server.client()
    acme.heartbeat()
    server.provider.heartbeat_answered(1, now=server.now, rtt_s=0.02)
    acme.request(1)
    acme.observe(1)
    sent = server.wait(20)

    acme.withdraw(1)
    sent += server.wait(20)

    assert statuses(sent) == [
        Status.MITIGATING,
        Status.ATTACK_STOPPED,
        Status.TERMINATING,
        Status.TERMINATED,
        "4.04",
    ]
    assert sent[-1].is_last

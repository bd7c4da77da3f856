from __future__ import annotations

import pytest

from dots_server.throttle import Throttle
from tests.provider_simulator.offline import OfflineProvider, scope


@pytest.mark.rule("SS-009")
def test_a_client_may_burst_and_is_then_throttled() -> None:
    throttle = Throttle()

    at_once = [throttle.admits("acme", 2.0, now=0.0) for _ in range(6)]
    later = [throttle.admits("acme", 2.0, now=0.5 * tick) for tick in range(1, 4)]

    assert at_once == [True, True, True, True, False, False]
    assert later == [True, True, True]
    assert throttle.admits("globex", 2.0, now=0.0)


def test_without_a_limit_everything_is_admitted() -> None:
    throttle = Throttle()

    assert all(throttle.admits("acme", None, now=0.0) for _ in range(1000))


@pytest.mark.rule("SS-009")
def test_too_many_requests_get_4_29_but_deletes_are_never_throttled() -> None:
    server = OfflineProvider(max_requests_per_s=0.5)
    acme = server.client()
    assert acme.request(1).code == "2.01"

    refused = acme.request(2, scope("203.0.113.8/32"))

    assert (refused.code, refused.max_age) == ("4.29", 1)
    assert acme.withdraw(1).code == "2.02"


@pytest.mark.rule("SS-009")
def test_a_client_may_use_a_bounded_number_of_cuids() -> None:
    server = OfflineProvider()
    codes = []
    for number in range(9):
        client = server.client(cuid=f"cuid-{number}", number=number)
        codes.append(client.request(1, scope(f"203.0.113.{number}/32")).code)

    assert codes == ["2.01"] * 8 + ["4.29"]


def test_one_client_holds_a_bounded_number_of_mitigations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dots_server.mitigate.MAX_MITIGATIONS_PER_CLIENT", 2)
    acme = OfflineProvider().client()

    codes = [acme.request(mid, scope(f"203.0.113.{mid}/32")).code for mid in (1, 2, 3)]

    assert codes == ["2.01", "2.01", "4.29"]

"""Behaviour of deployed servers that violates RFC 9132, simulated on request."""

from __future__ import annotations

import asyncio
from itertools import islice, pairwise

import cbor2
import pytest

from dots_client import MitigationStatus
from dots_client.server import decode_mitigations
from provider_simulator.odd_reports import ODD_REPORTS
from tests.provider_simulator.conftest import Running
from tests.provider_simulator.offline import OfflineClient, OfflineProvider, report, scope

Status = MitigationStatus
ARMED = scope("203.0.113.0/24", lifetime=600, trigger_mitigation=False)


def started(**behaviour: object) -> OfflineClient:
    """A client that has reconnected; its lost session started the preconfigured mitigation 1."""
    acme = OfflineProvider(status_delay_s=0.0, **behaviour).client()
    acme.request(1, ARMED)
    acme.server.provider.lose_signal("acme", now=acme.server.now)
    acme.server.wait(1)
    assert acme.status(1) is Status.MITIGATING
    return acme


@pytest.mark.parametrize(
    ("rearms", "expected"), [(False, Status.MITIGATING), (True, Status.SIGNAL_LOSS)]
)
def test_only_an_odd_server_rearms_a_started_mitigation_on_a_refresh(
    rearms: bool, expected: Status
) -> None:
    acme = started(rearms_on_put=rearms)

    assert acme.request(1, ARMED).code == "2.04"

    assert acme.status(1) is expected


def test_a_refused_refresh_rearms_nothing() -> None:
    acme = started(rearms_on_put=True)

    assert acme.request(1, scope("203.0.113.7/32", trigger_mitigation=False)).code == "4.00"

    assert acme.status(1) is Status.MITIGATING


def test_an_efficacy_update_rearms_like_any_put() -> None:
    acme = started(rearms_on_put=True)

    acme.efficacy(1, ARMED)

    assert acme.status(1) is Status.SIGNAL_LOSS


def test_a_rearmed_mitigation_starts_at_the_next_loss() -> None:
    acme = started(rearms_on_put=True)
    acme.request(1, ARMED)

    acme.server.provider.lose_signal("acme", now=acme.server.now)
    acme.server.wait(1)

    assert acme.status(1) is Status.MITIGATING


def test_an_odd_server_refreshes_an_immediate_mitigation_like_any_other() -> None:
    acme = OfflineProvider(status_delay_s=0.0, rearms_on_put=True).client()
    acme.request(1)
    acme.server.wait(1)

    acme.request(1)

    assert acme.status(1) is Status.MITIGATING


def test_a_preconfigured_mitigation_held_after_its_delete_ends_with_a_lifetime_of_one() -> None:
    acme = OfflineProvider(keeps_preconfigured=True).client()
    acme.request(1, ARMED)

    assert acme.withdraw(1).code == "2.02"
    acme.server.wait(30)
    assert acme.status(1) is Status.SIGNAL_LOSS

    acme.request(1, scope("203.0.113.0/24", lifetime=1, trigger_mitigation=False))
    acme.server.wait(10)
    assert acme.get(1).code == "4.04"


def test_a_mitigation_held_after_its_delete_starts_when_the_session_is_lost() -> None:
    acme = OfflineProvider(keeps_preconfigured=True, status_delay_s=0.0).client()
    acme.request(1, ARMED)
    acme.withdraw(1)

    acme.server.provider.lose_signal("acme", now=acme.server.now)
    acme.server.wait(1)

    assert acme.status(1) is Status.MITIGATING


def test_a_filtering_mitigation_ends_even_at_a_server_that_keeps_armed_ones() -> None:
    acme = started(keeps_preconfigured=True)

    acme.withdraw(1)

    assert acme.status(1) is Status.TERMINATING


def test_polls_can_be_refused_while_requests_are_accepted() -> None:
    acme = OfflineProvider(poll_code="5.00").client()

    assert acme.request(1).code == "2.01"
    assert [acme.get(1).code, acme.get().code, acme.observe(1).code] == ["5.00"] * 3
    assert len(acme.server.provider.observers) == 0
    acme.server.behave(poll_code=None)
    assert acme.status(1) is Status.IN_PROGRESS


def test_an_ignored_mid_gets_no_answer_and_is_missing_from_the_list() -> None:
    acme = OfflineProvider().client()
    acme.request(1, scope("203.0.113.1/32"))
    acme.request(2, scope("203.0.113.2/32"))
    acme.server.behave(ignored_mid=2)

    path = (".well-known", "dots", "mitigate", f"cuid={acme.cuid}", "mid=2")
    assert [acme.send(method, path) for method in ("GET", "PUT", "DELETE")] == [None] * 3
    assert [held.mid for held in decode_mitigations(acme.get().payload)] == [1]
    assert report(acme.get(1)).mid == 1
    acme.withdraw(1)
    acme.server.wait(200)
    assert acme.get().code == "4.04", "the ignored mid is the only one left"
    assert acme.get(1).code == "4.04"


def test_a_null_lifetime_is_encoded_as_go_dots_encodes_it() -> None:
    acme = OfflineProvider(odd_report="null-lifetime").client()
    acme.request(5)

    (scope_map,) = cbor2.loads(acme.get(5).payload)[1][2]

    assert scope_map[14] is None
    assert scope_map[16] == Status.IN_PROGRESS


@pytest.mark.parametrize("oddity", ODD_REPORTS)
def test_an_odd_report_changes_answers_and_notifications_but_not_their_status(oddity: str) -> None:
    acme = OfflineProvider(odd_report=oddity, status_delay_s=1.0).client()
    assert report(acme.request(5)).lifetime == 3600, "a confirmation is written as it should be"
    acme.observe(5)

    *_, notified = acme.server.wait(10)
    answered = acme.get(5)

    acme.server.behave(odd_report=None)
    plain = cbor2.loads(acme.get(5).payload)
    for response in (notified.response, answered):
        odd = cbor2.loads(response.payload)
        assert odd[1][2][0][16] == Status.MITIGATING
        assert odd != plain


async def test_the_control_interface_switches_each_oddity(running: Running) -> None:
    odd = {
        "rearms_on_put": True,
        "keeps_preconfigured": True,
        "poll_code": "5.00",
        "ignored_mid": 7,
        "odd_report": "null-lifetime",
        "floods_per_s": 3,
    }

    await running.behave(**odd)

    assert odd.items() <= running.signal.provider.behaviour.as_json().items()


def test_a_flood_alternates_the_statuses_of_all_mitigations_without_waiting() -> None:
    acme = OfflineProvider(status_delay_s=0.0).client()
    acme.request(1)
    acme.request(2, scope("203.0.113.8/32"))
    acme.request(3, scope("203.0.113.9/32"))
    acme.observe(1, token=b"a")
    acme.observe(2, token=b"b")

    flood = acme.server.provider.flips(now=acme.server.now)
    sent = list(islice(flood, 8))

    assert [notification.token for notification in sent] == [b"a", b"b"] * 4
    first = [report(notification.response).status for notification in sent[::2]]
    assert set(pairwise(first)) == {
        (Status.MITIGATING, Status.EXCEEDED_CAPABILITY),
        (Status.EXCEEDED_CAPABILITY, Status.MITIGATING),
    }
    assert acme.server.provider.state(now=acme.server.now)["flips_sent"] == 8


def test_a_flood_of_nothing_ends() -> None:
    acme = OfflineProvider(status_delay_s=0.0).client()
    acme.request(1)

    assert list(acme.server.provider.flips(now=acme.server.now)) == []


async def test_a_flood_reaches_the_client_until_it_is_turned_off(running: Running) -> None:
    flood = asyncio.create_task(running.signal.flood())
    async with running.client() as acme:
        await acme.request(1, scope())
        async with acme.observe(1) as reports:
            await running.behave(floods_per_s=200)
            async with asyncio.timeout(10):
                statuses = [(await anext(reports)).status for _ in range(20)]
            await running.behave(floods_per_s=0)
    flood.cancel()

    assert set(statuses[2::2]) | set(statuses[3::2]) == {
        Status.MITIGATING,
        Status.EXCEEDED_CAPABILITY,
    }
    assert all(one is not other for one, other in pairwise(statuses[2:]))

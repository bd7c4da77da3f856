from __future__ import annotations

import pytest

from dots_client import RedirectedSignal
from dots_client.session import Alternate, NotFollowed, Redirections
from dots_client.session.redirection import MAX_REMEMBERED_SERVERS

ALT = RedirectedSignal(alt_server="alt.example", alt_server_record=("192.0.2.7",))
HERE = Alternate(name="alt.example", addresses=("192.0.2.7",))


def moved(*, ttl_s: int, now: float = 0.0) -> Redirections:
    redirections = Redirections()
    redirections.contacted("home.example", now=now)
    assert redirections.redirected(ALT, ttl_s=ttl_s, now=now) is None
    return redirections


@pytest.mark.rule("SC-098")
@pytest.mark.rule("SC-099")
def test_a_redirection_is_followed_with_its_addresses() -> None:
    redirections = moved(ttl_s=600)

    assert redirections.alternate(now=1.0, is_under_attack=True) == HERE
    assert redirections.expires_at() == 600
    assert redirections.is_redirected
    assert not Redirections().is_redirected


@pytest.mark.rule("SC-100")
def test_the_provisioned_server_is_used_again_after_a_redirection_expired() -> None:
    redirections = moved(ttl_s=600)

    assert redirections.alternate(now=599.9, is_under_attack=False) == HERE
    assert redirections.alternate(now=600.0, is_under_attack=False) is None
    assert redirections.expires_at() is None


@pytest.mark.rule("SC-100")
def test_a_redirection_stays_in_force_during_an_attack() -> None:
    redirections = moved(ttl_s=600)

    assert redirections.alternate(now=5000.0, is_under_attack=True) == HERE
    assert redirections.alternate(now=5000.0, is_under_attack=False) is None
    assert redirections.alternate(now=5000.1, is_under_attack=True) is None


@pytest.mark.rule("SC-101")
def test_a_lifetime_of_zero_applies_to_the_request_alone() -> None:
    redirections = moved(ttl_s=0)

    assert redirections.alternate(now=0.0, is_under_attack=True) == HERE
    assert redirections.alternate(now=0.0, is_under_attack=False) is None


@pytest.mark.rule("SC-101")
def test_the_largest_lifetime_ends_only_with_the_next_redirection() -> None:
    redirections = moved(ttl_s=2**32 - 1)

    assert redirections.expires_at() is None
    assert redirections.alternate(now=1e12, is_under_attack=False) == HERE
    other = RedirectedSignal(alt_server="other.example")
    assert redirections.redirected(other, ttl_s=60, now=1e12) is None
    assert redirections.alternate(now=1e12, is_under_attack=False) == Alternate(
        name="other.example"
    )


@pytest.mark.rule("SC-102")
@pytest.mark.parametrize("name", ["home.example", "HOME.example."])
def test_a_return_within_five_minutes_is_a_loop(name: str) -> None:
    redirections = moved(ttl_s=600)
    back = RedirectedSignal(alt_server=name)

    assert redirections.redirected(back, ttl_s=600, now=299.9) is NotFollowed.LOOP
    assert redirections.alternate(now=299.9, is_under_attack=True) == HERE
    assert redirections.redirected(back, ttl_s=600, now=300.0) is None


@pytest.mark.rule("SC-102")
def test_a_redirection_of_a_server_to_itself_is_not_followed() -> None:
    redirections = Redirections()
    redirections.contacted("alt.example", now=10.0)

    assert redirections.redirected(ALT, ttl_s=600, now=10.0) is NotFollowed.LOOP


def test_an_unreachable_alternate_is_abandoned() -> None:
    redirections = moved(ttl_s=600)

    redirections.failed("alt.example", now=5.0)

    assert redirections.alternate(now=6.0, is_under_attack=True) is None
    assert redirections.redirected(ALT, ttl_s=600, now=6.0) is NotFollowed.LOOP


def test_a_failure_of_the_provisioned_server_changes_nothing() -> None:
    redirections = moved(ttl_s=600)

    redirections.failed("home.example", now=5.0)

    assert redirections.alternate(now=6.0, is_under_attack=True) == HERE


def test_the_remembered_servers_are_bounded() -> None:
    redirections = Redirections()
    for number in range(MAX_REMEMBERED_SERVERS + 1):
        redirections.contacted(f"server-{number}.example", now=float(number))

    first = RedirectedSignal(alt_server="server-0.example")
    second = RedirectedSignal(alt_server="server-1.example")

    assert redirections.redirected(first, ttl_s=1, now=65.0) is None
    assert redirections.redirected(second, ttl_s=1, now=65.0) is NotFollowed.LOOP


NAME_ALONE = RedirectedSignal(alt_server="Alt.example.")


def test_a_name_whose_addresses_were_refused_is_not_a_loop() -> None:
    redirections = Redirections()
    redirections.contacted("home.example", now=0.0)
    assert redirections.redirected(NAME_ALONE, ttl_s=600, now=0.0) is None

    redirections.refused("Alt.example.", now=5.0)

    assert not redirections.is_redirected
    for now in (6.0, 304.9):
        why_not = redirections.redirected(NAME_ALONE, ttl_s=600, now=now)
        assert why_not is NotFollowed.INNER_ADDRESS
    assert redirections.redirected(NAME_ALONE, ttl_s=600, now=305.0) is None


def test_a_refused_name_is_followed_to_addresses_that_the_server_gives_for_it() -> None:
    redirections = Redirections()
    redirections.refused("alt.example", now=5.0)

    assert redirections.redirected(ALT, ttl_s=600, now=6.0) is None


def test_the_refusal_of_another_name_keeps_the_alternate() -> None:
    redirections = moved(ttl_s=600)

    redirections.refused("other.example", now=5.0)

    assert redirections.alternate(now=6.0, is_under_attack=True) == HERE


def test_the_number_of_refused_names_is_limited() -> None:
    redirections = Redirections()
    for number in range(MAX_REMEMBERED_SERVERS + 1):
        redirections.refused(f"server-{number}.example", now=float(number))

    first = RedirectedSignal(alt_server="server-0.example")
    second = RedirectedSignal(alt_server="server-1.example")

    assert redirections.redirected(second, ttl_s=1, now=65.0) is NotFollowed.INNER_ADDRESS
    assert redirections.redirected(first, ttl_s=1, now=65.0) is None

from __future__ import annotations

import pytest

from dots_client.errors import LocalProtocolError
from dots_client.session import MidAllocator
from dots_client.session.mids import FOLLOWED_UP_TO, ROLL_OVER_AT


@pytest.mark.rule("SC-032")
@pytest.mark.rule("SC-033")
def test_mids_start_at_one_and_grow() -> None:
    mids = MidAllocator()

    assert [mids.allocate() for _ in range(3)] == [1, 2, 3]
    assert mids.next_mid == 4


@pytest.mark.rule("SC-037")
def test_after_losing_the_counter_mids_continue_above_those_of_the_server() -> None:
    mids = MidAllocator()

    mids.found_in_use([7, 41, 3])

    assert mids.allocate() == 42


@pytest.mark.rule("SC-034")
@pytest.mark.parametrize("odd", [FOLLOWED_UP_TO + 1, ROLL_OVER_AT, 2**32 - 1])
def test_an_implausible_mid_does_not_bring_the_roll_over_closer(odd: int) -> None:
    mids = MidAllocator(next_mid=5)

    mids.found_in_use([odd, 7])

    assert mids.next_mid == 8


def test_the_highest_mid_that_is_followed() -> None:
    mids = MidAllocator()

    mids.found_in_use([2**31])
    assert mids.next_mid == 1
    mids.found_in_use([2**31 - 1])
    assert mids.next_mid == 2**31


def test_lower_mids_at_the_server_do_not_lower_the_counter() -> None:
    mids = MidAllocator(next_mid=50)

    mids.found_in_use([7])
    mids.found_in_use([])

    assert mids.allocate() == 50


@pytest.mark.rule("SC-034")
def test_at_three_quarters_of_the_range_mids_should_roll_over_to_zero() -> None:
    mids = MidAllocator(next_mid=ROLL_OVER_AT)
    assert not mids.should_roll_over

    assert mids.allocate() == 3221225471
    assert mids.should_roll_over
    mids.roll_over(is_under_attack=False)

    assert mids.allocate() == 0


@pytest.mark.rule("SC-034")
def test_mids_do_not_roll_over_under_attack() -> None:
    mids = MidAllocator(next_mid=ROLL_OVER_AT + 1)

    with pytest.raises(LocalProtocolError):
        mids.roll_over(is_under_attack=True)

    assert mids.allocate() == ROLL_OVER_AT + 1


def test_there_is_no_mid_beyond_32_bits() -> None:
    mids = MidAllocator(next_mid=2**32 - 1)
    assert mids.allocate() == 2**32 - 1

    with pytest.raises(LocalProtocolError):
        mids.allocate()


@pytest.mark.rule("SC-034")
def test_after_a_roll_over_preconfigured_requests_get_mids_from_0() -> None:
    mids = MidAllocator(next_mid=ROLL_OVER_AT + 1)

    renumbered = mids.roll_over(is_under_attack=False, preconfigured=[ROLL_OVER_AT, 17])

    assert renumbered == {17: 0, ROLL_OVER_AT: 1}
    assert mids.allocate() == 2

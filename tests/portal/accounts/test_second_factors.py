from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts import services
from portal.accounts.models import (
    MAX_COUNTED_FAILURES,
    Authenticator,
    User,
)
from portal.core.errors import InvalidCredentials, Throttled
from tests.factories import app_code
from tests.portal.accounts.enrolling import enrolled_codes

pytestmark = pytest.mark.sqlite

ADDRESS = "192.0.2.1"


def test_a_code_of_the_app_counts_once(alice: User) -> None:
    code = app_code()
    services.check_second_factor(user=alice, code=f" {code[:3]} {code[3:]} ", address=ADDRESS)

    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code=code, address=ADDRESS)


def test_a_code_older_than_the_last_used_one_does_not_count(alice: User) -> None:
    services.check_second_factor(user=alice, code=app_code(steps=1), address=ADDRESS)

    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code=app_code(), address=ADDRESS)


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_clock_may_be_off_by_at_most_half_a_minute(alice: User, steps: int) -> None:
    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code=app_code(steps=steps), address=ADDRESS)


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "１２３４５６", "-12345", "0x1234", "+12345"]
)
def test_an_invalid_code_does_not_match(alice: User, code: str) -> None:
    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code=code, address=ADDRESS)


def test_a_wrong_code_delays_the_next_even_if_it_is_right(alice: User) -> None:
    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code="000000", address=ADDRESS)

    with pytest.raises(Throttled) as caught:
        services.check_second_factor(user=alice, code=app_code(), address=ADDRESS)

    assert caught.value.retry_after_s == 1


def test_no_lockout_is_permanent(alice: User) -> None:
    Authenticator.objects.update(throttling_failure_count=MAX_COUNTED_FAILURES)

    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code="000000", address=ADDRESS)

    device = Authenticator.objects.get()
    assert device.throttling_failure_count == MAX_COUNTED_FAILURES
    Authenticator.objects.update(
        throttling_failure_timestamp=timezone.now() - timedelta(seconds=2**MAX_COUNTED_FAILURES)
    )
    services.check_second_factor(user=alice, code=app_code(), address=ADDRESS)


def test_a_recovery_code_counts_once_in_any_spelling(erin: User) -> None:
    code = enrolled_codes(erin)[0]
    services.check_second_factor(user=erin, code=code.upper().replace("-", " "), address=ADDRESS)

    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=erin, code=code, address=ADDRESS)


def test_another_persons_recovery_codes_do_not_match(erin: User, alice: User) -> None:
    code = enrolled_codes(erin)[0]

    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=alice, code=code, address=ADDRESS)


def test_new_recovery_codes_invalidate_the_old_ones(erin: User) -> None:
    old = enrolled_codes(erin)[0]
    services.renew_recovery_codes(user=erin)

    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=erin, code=old, address=ADDRESS)

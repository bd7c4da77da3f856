from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from portal.accounts import services
from portal.accounts.models import (
    Authenticator,
    RecoveryCode,
    RecoveryKit,
    User,
)
from portal.core.errors import Conflict, Invalid, Throttled
from tests.factories import AUTHENTICATOR_KEY, app_code
from tests.portal.accounts.enrolling import code_of, enrolled_codes


def test_the_uri_carries_the_key_for_any_app(erin: User) -> None:
    enrolment = services.begin_enrolment(user=erin)

    uri = urlsplit(enrolment.otpauth_uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/Mitigation%20portal%3Aerin"
    assert parse_qs(uri.query) == {
        "secret": [enrolment.base32_key],
        "issuer": ["Mitigation portal"],
    }


def test_the_key_stays_the_same_until_it_is_confirmed(erin: User) -> None:
    assert services.begin_enrolment(user=erin) == services.begin_enrolment(user=erin)
    assert Authenticator.objects.count() == 1


def test_the_key_is_not_readable_in_the_database(alice: User) -> None:
    kept = Authenticator.objects.values_list("encrypted_key", flat=True).get()

    assert AUTHENTICATOR_KEY not in bytes(kept)


def test_the_first_code_confirms_and_gives_recovery_codes(erin: User) -> None:
    codes = enrolled_codes(erin)

    assert Authenticator.objects.get().confirmed
    assert len(set(codes)) == services.RECOVERY_CODES
    kept = list(RecoveryCode.objects.values_list("digest", flat=True))
    assert not set(kept) & set(codes)


def test_a_wrong_first_code_confirms_nothing(erin: User) -> None:
    services.begin_enrolment(user=erin)

    with pytest.raises(Invalid) as caught:
        services.confirm_enrolment(user=erin, code="000000")

    assert caught.value.errors[0].field == "code"
    assert not Authenticator.objects.filter(confirmed=True).exists()
    assert not RecoveryKit.objects.exists()


def test_wrong_first_codes_have_to_wait(erin: User) -> None:
    services.begin_enrolment(user=erin)
    with pytest.raises(Invalid):
        services.confirm_enrolment(user=erin, code="000000")

    with pytest.raises(Throttled):
        services.confirm_enrolment(user=erin, code=code_of(Authenticator.objects.get()))


def test_whoever_has_a_second_factor_cannot_add_another(alice: User) -> None:
    with pytest.raises(Conflict):
        services.begin_enrolment(user=alice)
    with pytest.raises(Conflict):
        services.confirm_enrolment(user=alice, code=app_code())

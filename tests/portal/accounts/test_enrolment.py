from __future__ import annotations

import re
import threading
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from portal.accounts import services
from portal.accounts.models import Authenticator, RecoveryCode, RecoveryKit, User
from portal.accounts.services import enrolment
from portal.core.errors import Conflict, Invalid, Throttled
from portal.core.throttle import Limit
from tests.conftest import ClientOf, HalfSignedIn
from tests.factories import AUTHENTICATOR_KEY, PASSWORD, app_code
from tests.portal.accounts.enrolling import ADDRESS, enrolled_codes, shown_codes, shown_key


def test_the_uri_carries_the_key_for_any_app(erin: User) -> None:
    begun = services.begin_enrolment(user=erin)

    uri = urlsplit(begun.otpauth_uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/Mitigation%20portal%3Aerin"
    assert parse_qs(uri.query) == {"secret": [begun.base32_key], "issuer": ["Mitigation portal"]}


def test_the_key_is_not_readable_in_the_database(alice: User) -> None:
    kept = Authenticator.objects.values_list("encrypted_key", flat=True).get()

    assert AUTHENTICATOR_KEY not in bytes(kept)


def test_a_key_is_shown_only_in_the_session_that_created_it(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    thief, owner = half_signed_in(erin), half_signed_in(erin)
    read = shown_key(thief)

    assert shown_key(thief) == read
    assert shown_key(owner) != read
    assert shown_key(half_signed_in(erin)) != read


def test_a_key_read_by_another_session_is_useless_after_the_owner_enrolled(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    thief, owner = half_signed_in(erin), half_signed_in(erin)
    read, own = shown_key(thief), shown_key(owner)

    owner.post("/enrol", {"code": app_code(own)})

    assert thief.post("/enrol", {"code": app_code(read)})["Location"] == "/sign-in/code"
    assert thief.post("/sign-in/code", {"code": app_code(read, steps=1)}).status_code == 401
    assert thief.get("/organizations/acme/")["Location"] == "/sign-in/code"


def test_a_planted_session_stays_at_the_password_step(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    planted = half_signed_in(erin)
    read = shown_key(planted)
    owner = Client()
    owner.cookies["sessionid"] = planted.cookies["sessionid"].value

    owner.post("/sign-in", {"username": "erin", "password": PASSWORD})

    assert shown_key(owner) != read
    assert planted.get("/enrol")["Location"].startswith("/sign-in?")


def test_the_session_keeps_no_readable_key(erin: User, half_signed_in: HalfSignedIn) -> None:
    browser = half_signed_in(erin)
    page = browser.get("/enrol").content.decode()
    key = re.findall(r'class="mono key">([^<]+)<', page)[0].replace(" ", "")

    assert key not in str(dict(browser.session))


def test_the_first_code_confirms_and_gives_recovery_codes(erin: User) -> None:
    codes = enrolled_codes(erin)

    assert Authenticator.objects.get().confirmed
    assert len(set(codes)) == enrolment.RECOVERY_CODES
    kept = list(RecoveryCode.objects.values_list("digest", flat=True))
    assert not set(kept) & set(codes)


def test_recovery_codes_have_at_least_112_bits(erin: User) -> None:
    letters = len(set(enrolment.RECOVERY_CODE_ALPHABET))

    for code in enrolled_codes(erin):
        assert letters ** len(code.replace("-", "")) >= 2**112


def test_recovery_codes_are_shown_in_one_answer_only(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(erin)
    code = app_code(shown_key(browser))

    page = browser.post("/enrol", {"code": code}).content.decode()

    codes = shown_codes(page)
    assert len(codes) == enrolment.RECOVERY_CODES
    saved = re.findall(r'href="data:text/plain;charset=utf-8,([^"]+)"', page)
    assert set(codes) <= set(unquote(saved[0]).splitlines())
    assert browser.get("/enrol/recovery-codes")["Location"] == "/"
    assert browser.post("/enrol", {"code": code})["Location"] == "/"
    for session in Session.objects.all():
        assert not any(one in str(session.get_decoded()) for one in codes)


def test_a_wrong_first_code_keeps_the_key_unconfirmed(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(erin)
    key = shown_key(browser)

    assert browser.post("/enrol", {"code": "000000"}).status_code == 400

    assert shown_key(browser) == key
    assert not Authenticator.objects.exists()
    assert not RecoveryKit.objects.exists()


def test_wrong_first_codes_are_limited_per_address(
    erin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(name="x", tries=2, window_s=60, message="Too many.")
    monkeypatch.setattr(enrolment, "TRIES_PER_ADDRESS", limit)
    key = services.begin_enrolment(user=erin).key
    for _ in range(2):
        with pytest.raises(Invalid):
            services.confirm_enrolment(user=erin, key=key, code="000000", address=ADDRESS)

    with pytest.raises(Throttled):
        services.confirm_enrolment(user=erin, key=key, code=app_code(key), address=ADDRESS)


def test_a_person_with_a_second_factor_cannot_add_another(alice: User) -> None:
    with pytest.raises(Conflict):
        services.begin_enrolment(user=alice)
    with pytest.raises(Conflict):
        services.confirm_enrolment(
            user=alice, key=AUTHENTICATOR_KEY, code=app_code(), address=ADDRESS
        )


def test_a_session_that_lost_its_factor_needs_the_password_again(
    alice: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    Authenticator.objects.all().delete()

    for path in ("/enrol", "/sign-in/code", "/organizations/acme/"):
        assert browser.get(path)["Location"].startswith("/sign-in?"), path
    assert browser.post("/enrol", {"code": "123456"})["Location"].startswith("/sign-in?")


@pytest.mark.django_db(transaction=True)
def test_one_of_two_simultaneous_enrolments_wins(erin: User, half_signed_in: HalfSignedIn) -> None:
    browsers = [half_signed_in(erin) for _ in range(4)]
    codes = [app_code(shown_key(browser)) for browser in browsers]
    answers: list[str] = []
    together = threading.Barrier(len(browsers))

    def enrol(browser: Client, code: str) -> None:
        together.wait()
        try:
            page = browser.post("/enrol", {"code": code})
            answers.append("codes" if page.status_code == 200 else page["Location"])
        finally:
            connection.close()

    threads = [
        threading.Thread(target=enrol, args=pair) for pair in zip(browsers, codes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == ["/sign-in/code"] * 3 + ["codes"]
    assert Authenticator.objects.filter(user=erin, confirmed=True).count() == 1
    assert RecoveryCode.objects.count() == enrolment.RECOVERY_CODES


def test_an_older_recovery_code_still_works(alice: User) -> None:
    kit = RecoveryKit.objects.create(user=alice, name="Recovery codes")
    RecoveryCode.objects.create(kit=kit, digest=RecoveryCode.digest_of("abcd-efgh-jkmn-pqrs"))

    services.check_second_factor(user=alice, code="ABCD EFGH jkmn-pqrs", address=ADDRESS)

"""The tab "Second factor": several apps, and new recovery codes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from django.test import Client

from portal.accounts import services
from portal.accounts.models import Authenticator, RecoveryCode, User
from portal.accounts.services import factors
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, InvalidCredentials, NotFound, Throttled
from tests.conftest import ClientOf, HalfSignedIn
from tests.factories import AuthenticatorFactory, app_code
from tests.portal.accounts.enrolling import shown_codes
from tests.portal.organizations.mails import mails_to

URL = "/me/second-factor"
ADDRESS = "192.0.2.1"
KEY = b"another key of 20 by"


def key_shown(browser: Client) -> bytes:
    page = browser.get(f"{URL}/add-app").content.decode()
    shown = re.search(r'class="mono key">([^<]+)<', page)
    assert shown
    return base64.b32decode(shown[1].replace(" ", ""))


def added(user: User, key: bytes = KEY, name: str = "Tablet") -> Authenticator:
    return services.add_authenticator(
        user=user, key=key, code=app_code(key), name=name, address=ADDRESS
    )


def path_of(device: Authenticator, act: str) -> str:
    return f"{URL}/app/{device.pk}/{act}"


def test_another_app_works_beside_the_first(
    mailed: User, client_of: ClientOf, half_signed_in: HalfSignedIn
) -> None:
    browser = client_of(mailed)
    key = key_shown(browser)

    answer = browser.post(
        f"{URL}/add-app", {"name": " Work  phone ", "code": app_code(key)}, follow=True
    )

    assert "Work phone is a second factor of yours now." in answer.content.decode()
    for code in (app_code(key, steps=1), app_code()):
        again = half_signed_in(mailed)
        assert again.post("/sign-in/code", {"code": code})["Location"] == "/"
    assert mails_to(mailed.email)[0].startswith("A second factor was added\n")
    [entry] = AuditEntry.objects.filter(verb=Verb.FACTOR_ENROLLED)
    assert (entry.object_kind, entry.object_name) == ("factor", "Work phone")


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "Tablet", "code": "000000"}, "otp"),
        ({"name": "Tablet", "code": ""}, "otp"),
        ({"name": "", "code": "000000"}, "name"),
        ({"name": "app", "code": "000000"}, "name"),
        ({"name": "x" * 65, "code": "000000"}, "name"),
        ({"name": "a\0b", "code": "000000"}, "name"),
    ],
)
def test_a_refused_app_is_named_at_its_field(
    alice: User, client_of: ClientOf, form: dict[str, str], field: str
) -> None:
    browser = client_of(alice)
    key_shown(browser)

    answer = browser.post(f"{URL}/add-app", form)

    assert (answer.status_code, f'id="{field}-e"' in answer.content.decode()) == (400, True)
    assert Authenticator.objects.count() == 1


def test_a_person_has_a_limited_number_of_apps(alice: User, client_of: ClientOf) -> None:
    for number in range(1, factors.MAX_AUTHENTICATORS):
        AuthenticatorFactory.create(user=alice, name=f"App {number}")

    with pytest.raises(Conflict):
        added(alice)
    assert "Add an authenticator app" not in client_of(alice).get(URL).content.decode()


def test_wrong_codes_are_counted_together_for_all_apps(alice: User) -> None:
    added(alice)
    for _ in range(4):
        with pytest.raises((InvalidCredentials, Throttled)):
            services.check_second_factor(user=alice, code="000000", address=ADDRESS)

    with pytest.raises(Throttled):
        services.check_second_factor(user=alice, code=app_code(KEY, steps=1), address=ADDRESS)


def test_a_factor_is_renamed(alice: User, client_of: ClientOf) -> None:
    device, browser = Authenticator.objects.get(user=alice), client_of(alice)

    browser.post(path_of(device, "rename"), {"name": "Old phone"})

    device.refresh_from_db()
    assert device.name == "Old phone"
    [entry] = AuditEntry.objects.filter(verb=Verb.FACTOR_RENAMED)
    assert (entry.before, entry.after) == ({"name": "App"}, {"name": "Old phone"})
    added(alice)
    refused = browser.post(path_of(device, "rename"), {"name": "tablet"})
    assert refused.status_code == 400
    assert f'id="name-app-{device.pk}-e"' in refused.content.decode()


def test_a_removed_factor_ends_its_sessions_but_not_the_one_that_removed_it(
    mailed: User, client_of: ClientOf
) -> None:
    browser, elsewhere = client_of(mailed), client_of(mailed)
    first = Authenticator.objects.get(user=mailed)
    added(mailed)

    answer = browser.post(path_of(first, "remove"), follow=True)

    assert "The second factor is removed." in answer.content.decode()
    assert browser.get("/organizations/acme/").status_code == 200
    assert elsewhere.get("/organizations/acme/")["Location"].startswith("/sign-in")
    assert [one.name for one in Authenticator.objects.filter(user=mailed)] == ["Tablet"]
    assert mails_to(mailed.email)[-1].startswith("A second factor was removed\n")
    [entry] = AuditEntry.objects.filter(verb=Verb.FACTOR_REMOVED)
    assert entry.object_name == "App"


def test_the_last_factor_stays(alice: User, client_of: ClientOf) -> None:
    device, browser = Authenticator.objects.get(user=alice), client_of(alice)
    services.renew_recovery_codes(user=alice)

    answer = browser.post(path_of(device, "remove"))

    assert answer.status_code == 409
    assert Authenticator.objects.filter(user=alice).exists()
    assert path_of(device, "remove") not in browser.get(URL).content.decode()


def test_the_factors_of_others_do_not_exist(
    alice: User, charlie: User, bob: User, client_of: ClientOf
) -> None:
    added(alice)
    device = Authenticator.objects.filter(user=alice).first()
    assert device
    for person in (bob, charlie):
        for act in ("rename", "remove"):
            answer = client_of(person).post(path_of(device, act), {"name": "Mine"})
            assert answer.status_code == 404
        assert client_of(person).get(URL).content.decode().count("Tablet") == 0
    with pytest.raises(NotFound):
        services.remove_factor(user=alice, kind="no-such-kind", factor_id=device.pk)


def test_new_recovery_codes_replace_the_old_ones(mailed: User, client_of: ClientOf) -> None:
    old, *_ = services.renew_recovery_codes(user=mailed)

    page = client_of(mailed).post(f"{URL}/recovery-codes").content.decode()

    new, *others = shown_codes(page)
    assert (len(others), RecoveryCode.objects.count()) == (9, 10)
    with pytest.raises(InvalidCredentials):
        services.check_second_factor(user=mailed, code=old, address=ADDRESS)
    services.check_second_factor(user=mailed, code=new, address=ADDRESS)
    assert mails_to(mailed.email)[-1].startswith("You have new recovery codes\n")
    assert AuditEntry.objects.filter(verb=Verb.RECOVERY_CODES_RENEWED).count() == 2
    assert "9 codes left." in " ".join(client_of(mailed).get(URL).content.decode().split())


def test_a_browser_that_came_with_a_recovery_code_stays_open(
    alice: User, half_signed_in: HalfSignedIn
) -> None:
    code, *_ = services.renew_recovery_codes(user=alice)
    browser = half_signed_in(alice)
    browser.post("/sign-in/code", {"recovery_code": code})

    assert browser.post(f"{URL}/recovery-codes").status_code == 200

    assert browser.get(URL).status_code == 200


def test_each_change_needs_a_fresh_factor(
    alice: User, stale_client_of: Callable[[User], Client]
) -> None:
    device, browser = Authenticator.objects.get(user=alice), stale_client_of(alice)
    added(alice)

    assert "Confirm with a code" in browser.get(f"{URL}/add-app").content.decode()
    for path in (path_of(device, "rename"), path_of(device, "remove"), f"{URL}/recovery-codes"):
        assert browser.post(path, {"name": "Other"}).status_code == 403
    assert Authenticator.objects.filter(user=alice, name="App").exists()
    assert not RecoveryCode.objects.exists()

"""Which passwords people may choose, and how fields take them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.auth.password_validation import CommonPasswordValidator, validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.guessable import WALKS, WORDS, is_guessable
from portal.accounts.models import User
from tests.conftest import ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.web.test_markup import Page

ROOT = Path(__file__).parents[3]
COMMON = CommonPasswordValidator().passwords
STRANGE = [
    "correct horse battery staple",
    "four words or three",
    "  spaces at both ends  ",
    "\u00fcber Gr\u00f6\u00dfenwahn, \U0001f40e",
    "all lower case and no sign",
    "8305 2796 1542 9083",
    "x" * 3 + " and thirty zebras",
    "kfm4-x2pq-7hwz-9abc",
    "a portal of thirty zebras",
]


def refused(password: str, user: User | None = None) -> bool:
    try:
        validate_password(password, user)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("password", STRANGE)
def test_a_password_may_be_composed_of_anything(password: str) -> None:
    assert not refused(password)


def test_a_password_has_12_to_1024_characters(alice: User, client_of: ClientOf) -> None:
    assert refused("k7-x2pq-hwz")
    assert not refused("k7-x2pq-hwz9")

    longest = "zebra, giraffe. " * 64
    answer = client_of(alice).post(
        "/me/password", {"current_password": PASSWORD, "new_password": longest}
    )

    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(longest)


@pytest.mark.parametrize("typed", [PASSWORD.upper(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1]])
def test_a_password_counts_exactly_as_it_was_chosen(alice: User, typed: str) -> None:
    kept = "  Ünter dem Zebra ist Platz  "
    alice.set_password(kept)
    alice.password_is_own = True
    alice.save()

    assert Client().post("/sign-in", {"username": "alice", "password": kept}).status_code == 302
    for wrong in (kept.strip(), kept.lower(), kept[:-1], typed):
        answer = Client().post("/sign-in", {"username": "alice", "password": wrong})
        assert answer.status_code != 302
    token = {"username": "alice", "password": kept, "otp": app_code(), "device_name": "x"}
    answer = Client().post("/api/v1/auth/token", token, content_type="application/json")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "password",
    [
        "123456789012",
        "password1234",
        "Password!2026",
        "P@ssw0rd2026!",
        "passwordpassword",
        "letmeinletmein",
        "qwertyuiop12",
        "1qaz2wsx3edc",
        "1q2w3e4r5t6y",
        "zaq12wsxcde3",
        "abcd12345678",
        "aaaaaaaaaaaa",
        "121212121212",
        "administrator",
        "basketball12",
        "jennifer1234",
        "iloveyou2026!",
        "MitigationPortal1",
        "ddos-portal-2026",
        "welcome.portal.1",
    ],
)
def test_a_password_that_is_guessed_early_is_refused(password: str) -> None:
    assert refused(password)


@pytest.mark.parametrize(
    "shape", ["{}123456789012", "{}!2026!2026!", "{0}{0}{0}{0}", "portal-{}-01"]
)
def test_a_common_password_is_refused_however_it_is_made_longer(shape: str) -> None:
    """Few of Django's list have the length that the portal asks for."""
    words = sorted(word for word in COMMON if word.isalpha())
    assert len(words) > 9_000

    passed = [word for word in words if not is_guessable(shape.format(word), common=COMMON)]

    assert passed == []


def test_a_password_is_not_made_of_names(alice: User, settings: Any) -> None:
    settings.PORTAL_NAME, settings.ALLOWED_HOSTS = "Zebra shield", ["giraffe.example"]
    alice.email = "marabou@acme.example"

    assert refused("zebra-shield-2026")
    assert refused("giraffe.giraffe.2")
    assert refused("marabou-marabou-1", alice)
    assert not refused("marabou-marabou-1")


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert is_guessable(text, common=COMMON) in (True, False)


def test_a_long_text_is_judged_in_bounded_time() -> None:
    assert is_guessable("qwer" * 256, common=COMMON)
    assert not is_guessable("qwex" * 255 + "zebra", common=COMMON)


def test_the_lists_are_in_the_form_in_which_they_are_compared() -> None:
    assert [word for word in (*WORDS, *WALKS) if word != word.casefold() or " " in word] == []


PAGES = ["/sign-in", "/me/password"]


@pytest.mark.parametrize("path", PAGES)
def test_fields_for_passwords_are_hidden_and_open_to_password_managers(
    alice: User, client_of: ClientOf, path: str
) -> None:
    browser = Client() if path == "/sign-in" else client_of(alice)

    fields = [
        field
        for field in Page(browser.get(path).content.decode()).all("input")
        if "password" in field.get("name", "")
    ]

    assert fields
    for field in fields:
        assert field["type"] == "password"
        assert field["autocomplete"] in ("current-password", "new-password")
        assert int(field["maxlength"]) >= 128
        assert not {"onpaste", "readonly", "minlength", "pattern"} & field.keys()


def test_no_template_shows_a_password_and_no_script_prevents_pasting() -> None:
    shown = [
        path.name
        for path in (ROOT / "templates").rglob("*.html")
        for field in re.findall(r"<input[^>]*>", path.read_text(), re.DOTALL)
        if re.search(r'name="\w*password"', field) and 'type="password"' not in field
    ]
    pasting = [
        path.name for path in (ROOT / "static/js").glob("*.js") if '"paste"' in path.read_text()
    ]

    assert (shown, pasting) == ([], [])


def test_passwords_are_hashed_slowly_with_the_memory_that_rfc_9106_recommends(
    settings: Any,
) -> None:
    settings.PASSWORD_HASHERS = [
        "portal.accounts.hashers.Argon2",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]

    kept = make_password(PASSWORD)

    assert kept.startswith("argon2$argon2id$v=19$m=65536,t=3,p=4$")
    assert identify_hasher(kept).verify(PASSWORD, kept)


def test_a_new_database_has_no_accounts(db: None) -> None:
    assert not User.objects.exists()

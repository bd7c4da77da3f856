"""New passwords are compared with a list of leaked ones, in a file of any size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal.accounts.models import User
from portal.core.leaked_passwords import NotALeakList, check_list, is_leaked
from tests.conftest import ClientOf
from tests.factories import PASSWORD

LEAKED = "thirty zebras on a ferry"


def hash_of(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


def listed(path: Path, *passwords: str, counts: bool = True, end: str = "\r\n") -> str:
    lines = sorted(map(hash_of, passwords))
    text = end.join(f"{one}:{place * 977}" if counts else one for place, one in enumerate(lines))
    path.write_bytes(text.encode() + (end.encode() if counts else b""))
    return str(path)


@pytest.mark.parametrize("counts", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_password_of_a_list_is_found_and_no_other(
    tmp_path: Path, counts: bool, end: str
) -> None:
    known = [f"password {number}" for number in range(500)]
    path = listed(tmp_path / "list", *known, counts=counts, end=end)

    assert [one for one in known if not is_leaked(one, path)] == []
    assert [one for one in known if is_leaked(f"{one}!", path)] == []


@pytest.mark.parametrize("known", [[], ["a"], ["a", "b"], ["a", "b", "c"]])
def test_a_short_list_is_read_too(tmp_path: Path, known: list[str]) -> None:
    path = listed(tmp_path / "list", *known)

    assert [one for one in ("a", "b", "c", "d") if is_leaked(one, path)] == known


@given(st.binary(max_size=2000), st.text(max_size=20))
def test_any_file_gives_an_answer(content: bytes, password: str) -> None:
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()

        assert is_leaked(password, file.name) in (True, False)


def test_only_a_list_of_hashes_is_accepted(tmp_path: Path) -> None:
    check_list(listed(tmp_path / "list", LEAKED))

    (tmp_path / "other").write_text("password\n")
    for path in (tmp_path / "other", tmp_path / "missing", tmp_path):
        with pytest.raises(NotALeakList):
            check_list(str(path))


def change(browser: Client) -> Any:
    return browser.post("/me/password", {"current_password": PASSWORD, "new_password": LEAKED})


def test_a_leaked_password_is_refused_at_its_field(
    alice: User, client_of: ClientOf, settings: Any, tmp_path: Path
) -> None:
    settings.PORTAL_LEAKED_PASSWORDS = listed(tmp_path / "list", LEAKED, "another")

    answer = change(client_of(alice))

    assert answer.status_code == 400
    assert "stolen passwords" in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_no_password_is_accepted_while_the_list_cannot_be_read(
    alice: User, client_of: ClientOf, settings: Any, tmp_path: Path
) -> None:
    settings.PORTAL_LEAKED_PASSWORDS = str(tmp_path / "gone")

    answer = change(client_of(alice))

    assert answer.status_code == 503
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_without_a_list_the_password_is_accepted(alice: User, client_of: ClientOf) -> None:
    assert change(client_of(alice)).status_code == 302

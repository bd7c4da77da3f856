from __future__ import annotations

from base64 import b32encode
from pathlib import Path

import pytest

from local_stack.installation import Secrets, one_time_code, write_privately

# RFC 6238 appendix B, SHA-1, the last six digits.
RFC_SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("at", "code", "left_s"),
    [(59, "287082", 1), (1111111109, "081804", 1), (1234567890, "005924", 30)],
)
def test_a_one_time_code_follows_rfc_6238(at: float, code: str, left_s: int) -> None:
    assert one_time_code(RFC_SECRET, at) == (code, left_s)


def test_secrets_are_created_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    first = Secrets.kept_in(path, ["alice"])

    assert Secrets.kept_in(path, ["alice"]) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_new_user_gets_secrets_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    before = Secrets.kept_in(path, ["alice"])

    after = Secrets.kept_in(path, ["alice", "bob"])

    assert after.passwords["alice"] == before.passwords["alice"]
    assert after.passwords["bob"] != after.passwords["alice"]


def test_every_installation_has_its_own_secrets(tmp_path: Path) -> None:
    one = Secrets.kept_in(tmp_path / "one.json", ["alice"])
    other = Secrets.kept_in(tmp_path / "other.json", ["alice"])

    assert one.secret_key != other.secret_key
    assert one.secrets_key != other.secrets_key
    assert one.passwords != other.passwords
    assert one.totp_secrets != other.totp_secrets


def test_a_private_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    write_privately(path, "a long first content")

    write_privately(path, "short")

    assert path.read_text() == "short"
    assert [child.name for child in tmp_path.iterdir()] == ["some.json"]

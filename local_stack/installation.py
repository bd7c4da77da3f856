"""The secrets of an installation: keys and passwords, created once and saved in one file."""

from __future__ import annotations

import hmac
import json
import secrets
import struct
import time
from base64 import b32decode, b32encode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from hashlib import sha1
from pathlib import Path

# Without those that look alike.
LETTERS_AND_DIGITS = "abcdefghjkmnpqrstuvwxyz23456789"
CODE_LIFETIME_S = 30
CODE_DIGITS = 6


@dataclass
class Secrets:
    """All secrets of one installation, except the keys of the providers' clients."""

    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(64))
    secrets_key: str = field(
        default_factory=lambda: urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )
    redis_password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    passwords: dict[str, str] = field(default_factory=dict)
    totp_secrets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def kept_in(cls, path: Path, usernames: Iterable[str]) -> Secrets:
        """Read the file, add what is missing, and write it back, readable only by its owner."""
        kept = cls(**json.loads(path.read_text())) if path.exists() else cls()
        for username in usernames:
            kept.passwords.setdefault(username, new_password())
            kept.totp_secrets.setdefault(username, new_totp_secret())
        write_privately(path, json.dumps(asdict(kept), indent=2))
        return kept


def new_password() -> str:
    return "-".join("".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(4)) for _ in range(4))


def new_totp_secret() -> str:
    return b32encode(secrets.token_bytes(20)).decode()


def one_time_code(totp_secret: str, at: float | None = None) -> tuple[str, int]:
    """The current code of RFC 6238, and for how many more seconds it is valid."""
    now = time.time() if at is None else at
    step = int(now // CODE_LIFETIME_S)
    digest = hmac.new(b32decode(totp_secret), struct.pack(">Q", step), sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack_from(">I", digest, offset)[0] & 0x7FFFFFFF
    left_s = CODE_LIFETIME_S - int(now % CODE_LIFETIME_S)
    return str(number % 10**CODE_DIGITS).zfill(CODE_DIGITS), left_s


def write_privately(path: Path, content: str) -> None:
    """Write the file atomically, readable only by its owner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(content)
    unfinished.replace(path)

"""The key of a new authenticator app, for programs. They have no session that could keep it, so
they bring it back, encrypted.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from portal.accounts.models import User
from portal.accounts.services.enrolment import Enrolment, new_key
from portal.core import secrets
from portal.core.errors import Invalid

SETUP_S: Final = 600
MAX_SETUP_LENGTH: Final = 1000


@dataclass(frozen=True, slots=True)
class AppSetup:
    """What a program needs to set up an app."""

    enrolment: Enrolment
    setup: str
    "the key, the person and the time, encrypted"


def begin_app(*, user: User) -> AppSetup:
    """A new key. Nothing is saved."""
    enrolment = new_key(user=user)
    key = b64encode(enrolment.key).decode()
    kept = {"person": str(user.pk), "key": key, "at": time.time()}
    sealed = secrets.encrypt(json.dumps(kept).encode())
    return AppSetup(enrolment, urlsafe_b64encode(sealed).decode())


def key_of_setup(*, user: User, setup: str) -> bytes:
    """The key, for SETUP_S and for that person only. Invalid at the field `setup`."""
    try:
        opened = secrets.try_decrypt(urlsafe_b64decode(setup.encode()))
        kept = json.loads(opened or b"{}")
    except ValueError:
        kept = {}
    if kept.get("person") == str(user.pk) and 0 <= time.time() - kept["at"] <= SETUP_S:
        return b64decode(kept["key"])
    message = "This setup is unknown or older than 10 minutes. Ask for a new key."
    raise Invalid.at("setup", "setup-ended", message)

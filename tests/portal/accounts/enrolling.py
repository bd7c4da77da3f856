"""Setting up a second factor as a person does."""

from __future__ import annotations

import base64
import re

from django.test import Client

from portal.accounts import services
from portal.accounts.models import User
from tests.factories import app_code

ADDRESS = "192.0.2.1"
HERE = services.SignedInFrom("Firefox on Linux", ADDRESS)


def enrolled_codes(user: User) -> tuple[str, ...]:
    """Recovery codes of a person who had no second factor."""
    key = services.begin_enrolment(user=user).key
    return services.confirm_enrolment(user=user, key=key, code=app_code(key), address=ADDRESS)[1]


def shown_key(browser: Client) -> bytes:
    """The key that this browser's session shows."""
    page = browser.get("/enrol").content.decode()
    shown = re.search(r'class="mono key">([^<]+)<', page)
    assert shown
    return base64.b32decode(shown[1].replace(" ", ""))


def shown_codes(page: str) -> list[str]:
    return re.findall(r"<li>([a-z0-9-]+)</li>", page)

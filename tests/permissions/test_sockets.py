"""What every person and every token gets from every socket."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.conf import settings
from django.test import Client

from portal.organizations.models import Organization
from portal.routing import websocket
from tests.permissions import PEOPLE, TOKENS
from tests.sockets import Socket

EVENTS: Final = "ws/organizations/<slug:slug>/events"
ANY_OTHER: Final = ""
PATHS: Final = {EVENTS: "/ws/organizations/acme/events", ANY_OTHER: "/ws/no-such-socket"}

# fmt: off
SOCKETS: Final = [
    # 0 if it opens, else the code with which it closes
    # socket   anonymous charlie   bob  dana  paul alice staff acting
    #          read  request admin program viewing foreign
    (EVENTS,    4401, 4403,    0,    0,    0,    0, 4403,    0,
                   0,    0,    0,    0,    0, 4403),
    (ANY_OTHER, 4404, 4404, 4404, 4404, 4404, 4404, 4404, 4404,
                4404, 4404, 4404, 4404, 4404, 4404),
]
# fmt: on

Headers = tuple[tuple[bytes, bytes], ...]


@pytest.fixture
def presented(browsers: dict[str, Client], tokens: dict[str, str]) -> dict[str, Headers]:
    """The headers of each person's page and of each program."""
    return {
        **{person: of_page(browser) for person, browser in browsers.items()},
        **{name: ((b"authorization", f"Bearer {text}".encode()),) for name, text in tokens.items()},
    }


def of_page(browser: Client) -> Headers:
    session = browser.cookies.get(settings.SESSION_COOKIE_NAME)
    cookie = f"{settings.SESSION_COOKIE_NAME}={session.value if session else ''}"
    return ((b"cookie", cookie.encode()), (b"origin", b"http://testserver"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("route", "answers"), [(route, answers) for route, *answers in SOCKETS])
async def test_every_socket_opens_only_for_members_and_their_programs(
    presented: dict[str, Headers], acme: Organization, route: str, answers: list[int]
) -> None:
    got = {}
    for who, headers in presented.items():
        socket = Socket(path=PATHS[route], headers=headers)
        got[who] = await socket.connect()
        if not got[who]:
            await socket.disconnect()

    assert got == dict(zip((*PEOPLE, *TOKENS), answers, strict=True))


def test_every_socket_is_in_the_table() -> None:
    routes: list[Any] = websocket.routes

    assert [str(route.pattern) for route in routes] == [route for route, *_ in SOCKETS]

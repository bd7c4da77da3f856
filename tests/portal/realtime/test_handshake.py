from __future__ import annotations

from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError
from django.test import Client

from portal.accounts.access import token_for
from portal.accounts.models import ApiToken, User
from portal.organizations.models import Organization
from portal.realtime import consumers, log_reader
from tests.conftest import ClientOf
from tests.portal.realtime.conftest import TokenOf
from tests.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)

OWN_ORIGIN = (b"origin", b"http://testserver")


def cookie_of(client: Client) -> tuple[bytes, bytes]:
    return (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())


async def test_a_socket_does_not_open_without_sign_in(acme: Organization) -> None:
    assert await Socket().connect() == 4401


@pytest.mark.parametrize("token", ["unknown", "a" * 5000, "\xff"])
async def test_a_socket_does_not_open_with_an_unknown_token(acme: Organization, token: str) -> None:
    assert await Socket(token=token).connect() == 4401


@pytest.mark.parametrize("slug", ["acme", "no-such-organization"])
async def test_another_tenant_gets_the_answer_of_an_unknown_one(
    charlie: User, acme: Organization, token_of: TokenOf, slug: str
) -> None:
    token = await database_sync_to_async(token_of)(charlie)

    assert await Socket(slug, token=token).connect() == 4403


async def test_a_page_opens_a_socket_with_its_cookie(bob: User, client_of: ClientOf) -> None:
    browser = await database_sync_to_async(client_of)(bob)
    socket = Socket(headers=(cookie_of(browser), OWN_ORIGIN))

    assert await socket.connect() == 0
    await socket.disconnect()


@pytest.mark.parametrize(
    "origin",
    [
        (),
        ((b"origin", b"http://evil.example"),),
        ((b"origin", b"null"),),
        ((b"origin", b"http://testserver:8001"),),
        ((b"origin", b"http://testserver.evil.example"),),
        ((b"origin", b"http://[::1"),),
    ],
)
async def test_the_cookie_is_ignored_from_another_site(
    bob: User, client_of: ClientOf, origin: tuple[tuple[bytes, bytes], ...]
) -> None:
    browser = await database_sync_to_async(client_of)(bob)

    assert await Socket(headers=(cookie_of(browser), *origin)).connect() == 4401


async def test_the_cookie_counts_from_another_host_name_of_the_portal(
    bob: User, client_of: ClientOf, settings: Any
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://portal.example"]
    browser = await database_sync_to_async(client_of)(bob)
    socket = Socket(headers=(cookie_of(browser), (b"origin", b"https://portal.example")))

    assert await socket.connect() == 0
    await socket.disconnect()


async def test_a_socket_does_not_open_with_an_invented_session(db: None) -> None:
    headers = ((b"cookie", b"sessionid=abcdefghijklmnopqrstuvwxyz012345"), OWN_ORIGIN)

    assert await Socket(headers=headers).connect() == 4401


async def test_a_foreign_host_header_does_not_count_as_same_origin(
    bob: User, client_of: ClientOf
) -> None:
    browser = await database_sync_to_async(client_of)(bob)
    rebound = Socket(
        host="evil.example", headers=(cookie_of(browser), (b"origin", b"http://evil.example"))
    )

    assert await rebound.connect() == 4401


async def test_a_socket_does_not_open_without_a_second_factor(bob: User) -> None:
    browser = Client()
    await database_sync_to_async(browser.force_login)(bob)

    assert await Socket(headers=(cookie_of(browser), OWN_ORIGIN)).connect() == 4401


async def test_a_client_that_sends_a_message_is_disconnected(bob: User, token_of: TokenOf) -> None:
    socket = Socket(token=await database_sync_to_async(token_of)(bob))
    await socket.connect()

    await socket.send_text('{"type": "subscribe"}')

    assert await socket.close_code() == 4400


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19, "1.5", "%00"])
async def test_a_socket_does_not_open_with_an_invalid_number(
    bob: User, token_of: TokenOf, after: str
) -> None:
    token = await database_sync_to_async(token_of)(bob)

    assert await Socket(token=token, after=after).connect() == 4400


async def test_other_sockets_do_not_exist(db: None) -> None:
    other = Socket(path="/ws/anything")

    assert await other.connect() == 4404


async def test_the_number_of_sockets_of_a_person_is_limited(
    bob: User, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SOCKETS_PER_PERSON", 1)
    token = await database_sync_to_async(token_of)(bob)
    first = Socket(token=token)
    await first.connect()

    assert await Socket(token=token).connect() == 4429

    await first.disconnect()
    again = Socket(token=token)
    assert await again.connect() == 0
    await again.disconnect()


async def test_a_database_failure_closes_the_socket_with_try_again_later(
    bob: User, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = Socket(token=await database_sync_to_async(token_of)(bob))
    await socket.connect()

    def fails(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(log_reader, "admit_all", fails)

    assert await socket.close_code() == 1013


async def test_the_use_of_a_token_is_recorded_once_a_minute(bob: User, token_of: TokenOf) -> None:
    def use_twice() -> tuple[Any, Any]:
        plain = token_of(bob)
        token_for(plain)
        first = ApiToken.objects.get().last_used_at
        token_for(plain)
        return first, ApiToken.objects.get().last_used_at

    first, second = await database_sync_to_async(use_twice)()

    assert first is not None
    assert first == second

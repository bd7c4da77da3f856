from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, Authenticator, User
from portal.core.broadcast import access_changed_on_commit
from portal.organizations import acting, service_tokens
from portal.organizations import services as organizations
from portal.organizations.models import Membership, Organization
from portal.realtime import log_reader
from tests.conftest import ClientOf
from tests.factories import service_token
from tests.portal.realtime.conftest import TokenOf
from tests.sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)

OWN_ORIGIN = (b"origin", b"http://testserver")


def cookie_of(client: Client) -> tuple[bytes, bytes]:
    return (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())


def _remove_member(user: User, organization: Organization) -> None:
    organizations.remove_member(organization=organization, user=user)


def _sign_the_device_out(user: User, organization: Organization) -> None:
    accounts.revoke_token(token=ApiToken.objects.get(user=user))


def _suspend(user: User, organization: Organization) -> None:
    organization.is_active = False
    organizations.change_settings(organization=organization)


def _reset_factor(user: User, organization: Organization) -> None:
    accounts.reset_second_factor(user=user, actor=user, address="192.0.2.1")


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (_remove_member, 4401),
        (_suspend, 4403),
        (_sign_the_device_out, 4401),
        (_reset_factor, 4401),
    ],
)
async def test_a_socket_closes_immediately_when_access_ends(
    bob: User, acme: Organization, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch,
    ending: Callable[[User, Organization], None], code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    socket = Socket(token=await database_sync_to_async(token_of)(bob))
    await socket.connect()

    await database_sync_to_async(ending)(bob, acme)

    assert await socket.close_code() == code


async def test_the_socket_of_a_service_token_follows_the_log_until_it_is_revoked(
    alice: User, acme: Organization, globex: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    token, plain = await database_sync_to_async(service_token)(acme)
    _, foreign = await database_sync_to_async(service_token)(globex)
    assert await Socket(token=foreign).connect() == 4403
    socket = Socket(token=plain)
    assert await socket.connect() == 0

    await database_sync_to_async(service_tokens.revoke)(
        organization=acme, token_id=token.pk, actor=Actor.person(alice)
    )

    assert await socket.close_code() == 4401


def _new_password(user: User, organization: Organization) -> None:
    user.set_password("another one entirely")
    user.save()


def _end_access(user: User, organization: Organization) -> None:
    accounts.end_access(user=user)


@pytest.mark.parametrize("ending", [_reset_factor, _new_password, _end_access])
@pytest.mark.parametrize("by", ["session", "token"])
async def test_every_socket_of_a_person_closes_when_their_access_is_revoked(
    bob: User, acme: Organization, client_of: ClientOf, token_of: TokenOf, by: str,
    monkeypatch: pytest.MonkeyPatch, ending: Callable[[User, Organization], None],
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "LOOK_AGAIN_S", 60)
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    if by == "session":
        browser = await database_sync_to_async(client_of)(bob)
        socket = Socket(headers=(cookie_of(browser), OWN_ORIGIN))
    else:
        socket = Socket(token=await database_sync_to_async(token_of)(bob))
    await socket.connect()

    await database_sync_to_async(ending)(bob, acme)

    assert await socket.close_code() == 4401


def _expire(user: User) -> None:
    ApiToken.objects.filter(user=user).update(expiry=timezone.now() - timedelta(seconds=1))


def _deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _delete_membership(user: User) -> None:
    Membership.objects.filter(user=user).delete()


@pytest.mark.parametrize(
    ("ending", "code"), [(_expire, 4401), (_deactivate, 4401), (_delete_membership, 4403)]
)
async def test_a_socket_closes_soon_when_the_revocation_message_is_lost(
    bob: User, token_of: TokenOf, ending: Callable[[User], None], code: int
) -> None:
    socket = Socket(token=await database_sync_to_async(token_of)(bob))
    await socket.connect()

    await database_sync_to_async(ending)(bob)

    assert await socket.close_code() == code


def _end_session(user: User) -> None:
    Session.objects.all().delete()


def _change_password(user: User) -> None:
    user.set_password("another one entirely")
    user.save()


def _lose_device(user: User) -> None:
    Authenticator.objects.all().delete()


@pytest.mark.parametrize("ending", [_end_session, _change_password, _lose_device, _deactivate])
async def test_the_socket_of_a_page_closes_with_its_session(
    bob: User, client_of: ClientOf, ending: Callable[[User], None]
) -> None:
    browser = await database_sync_to_async(client_of)(bob)
    socket = Socket(headers=(cookie_of(browser), OWN_ORIGIN))
    await socket.connect()

    await database_sync_to_async(ending)(bob)

    assert await socket.close_code() == 4401


@pytest.mark.parametrize("by", ["session", "token"])
async def test_a_socket_closes_immediately_when_its_person_ends_the_session_elsewhere(
    bob: User, client_of: ClientOf, token_of: TokenOf, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    here, there = [await database_sync_to_async(client_of)(bob) for _ in range(2)]
    for browser in (here, there):
        await database_sync_to_async(browser.get)("/me/sessions")
    if by == "session":
        socket = Socket(headers=(cookie_of(there), OWN_ORIGIN))
    else:
        socket = Socket(token=await database_sync_to_async(token_of)(bob))
    own = Socket(headers=(cookie_of(here), OWN_ORIGIN))
    await socket.connect()
    await own.connect()

    await database_sync_to_async(here.post)("/me/sessions/end-others")

    assert await socket.close_code() == 4401
    assert (await own.receive_frame())["type"] == "heartbeat"
    await own.disconnect()


def _stop_acting(user: User) -> None:
    found = acting.may_act(user, ApiToken.objects.get(user=user))
    assert found is not None
    acting.stop(found)


def _leave_staff(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_staff=False)
    access_changed_on_commit(user.pk)


@pytest.mark.parametrize("end", [_stop_acting, _leave_staff])
async def test_the_socket_of_staff_who_act_closes_immediately_when_that_ends(
    mo: User, acme: Organization, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch,
    end: Callable[[User], None],
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    token = await database_sync_to_async(token_of)(mo)
    await database_sync_to_async(_act)(mo)
    socket = Socket(token=token)
    await socket.connect()

    await database_sync_to_async(end)(mo)

    assert await socket.close_code() == 4403


async def test_the_socket_of_staff_closes_when_the_time_is_over(
    mo: User, acme: Organization, token_of: TokenOf, monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:  # fmt: skip
    monkeypatch.setattr(log_reader, "ADMIT_AGAIN_S", 60)
    settings.STAFF_ACTING_FOR = timedelta(seconds=3)
    token = await database_sync_to_async(token_of)(mo)
    await database_sync_to_async(_act)(mo)
    socket = Socket(token=token)

    # A busy machine may need longer than that to open it.
    assert await socket.connect() or await socket.close_code() == 4403


async def test_staff_open_no_socket_without_acting_or_of_another_organization(
    mo: User, acme: Organization, globex: Organization, token_of: TokenOf
) -> None:
    token = await database_sync_to_async(token_of)(mo)
    refused = Socket(token=token)
    assert await refused.connect() == 4403

    await database_sync_to_async(_act)(mo)
    other = Socket(token=token, slug="globex")
    assert await other.connect() == 4403


def _act(user: User) -> None:
    token = ApiToken.objects.get(user=user)
    acting.begin(slug="acme", user=user, credential=token, reason="Their admin called about it")

"""A signal worker makes the tests that people asked for, against a real server."""

from __future__ import annotations

import asyncio

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.connections import services
from portal.connections.models import ConnectionTest
from portal.core import secrets
from portal.organizations.models import Organization
from portal.providers.models import Provider, Subscription
from portal.providers.services import Identity
from portal.signaling.connection_tests import ConnectionTests
from portal.signaling.database_threads import DatabaseThreads
from tests.dots_client.authority import Authority
from tests.portal.signaling.test_connection_probe import HOST, dots_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def authority() -> Authority:
    return Authority("Northgate CA")


async def made(threads: DatabaseThreads, port: int, authority: Authority) -> ConnectionTest:
    def prepare() -> None:
        Provider.objects.update(
            host=HOST, port=port, server_name=HOST, trust_anchors=authority.pem.decode()
        )

    await threads.run(prepare)
    worker = ConnectionTests(threads, tap_of=lambda _: lambda _record: None)
    await worker.begin_due()
    await asyncio.gather(*worker._running)
    await worker.close()
    return await threads.run(ConnectionTest.objects.get)


async def test_a_new_certificate_is_tried_and_then_used(
    acme: Organization,
    acme_northgate: Subscription,
    northgate: Provider,
    alice: User,
    authority: Authority,
    threads: DatabaseThreads,
) -> None:
    own = authority.client("acme")
    renewed = Identity(certificate_chain=own.certificate_chain, private_key=own.private_key)

    def ask() -> None:
        services.add_identity(
            organization=acme, provider=northgate, identity=renewed, actor=Actor.person(alice)
        )
        services.ask_test(subscription=acme_northgate, actor=Actor.person(alice))

    await threads.run(ask)
    async with dots_server(authority.server(), "acme") as port:
        test = await made(threads, port, authority)

    assert (test.result, [one.failure for one in test.steps]) == (
        "passed",
        [None] * len(test.steps),
    )
    kept = await threads.run(Subscription.objects.get)
    assert kept.certificate_chain.encode() == own.certificate_chain


async def test_a_key_that_cannot_be_decrypted_is_a_result(
    acme_northgate: Subscription, alice: User, authority: Authority, threads: DatabaseThreads
) -> None:
    def ask() -> None:
        Subscription.objects.update(private_key=b"sealed with a key that is gone")
        services.ask_test(subscription=acme_northgate, actor=Actor.person(alice))

    await threads.run(ask)
    test = await made(threads, 1, authority)

    assert test.result == "failed"
    assert [one.failure for one in test.steps] == ["portal-failed"]


async def test_a_server_that_refuses_leaves_the_certificate_in_use(
    acme: Organization,
    acme_northgate: Subscription,
    northgate: Provider,
    alice: User,
    authority: Authority,
    threads: DatabaseThreads,
) -> None:
    own = authority.client("acme")

    def ask() -> None:
        services.add_identity(
            organization=acme,
            provider=northgate,
            identity=Identity(certificate_chain=own.certificate_chain, private_key=own.private_key),
            actor=Actor.person(alice),
        )
        services.ask_test(subscription=acme_northgate, actor=Actor.person(alice))

    await threads.run(ask)
    async with dots_server(authority.server(), "globex") as port:
        test = await made(threads, port, authority)

    assert test.result == "failed"
    kept = await threads.run(Subscription.objects.get)
    assert kept.certificate_chain == acme_northgate.certificate_chain
    assert secrets.decrypt(kept.private_key) == secrets.decrypt(acme_northgate.private_key)

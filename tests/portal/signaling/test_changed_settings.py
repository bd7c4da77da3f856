"""A changed address, anchor, certificate or cuid is tried immediately; only a working session
replaces the current one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from aiocoap import Code
from django.utils import timezone

from dots_client.transport.dtls_server import DtlsServer, serve_dtls
from portal.providers import services
from portal.providers.models import Provider as ProviderRow
from portal.providers.models import SessionState, Subscription
from portal.signaling.connection_settings import fingerprints
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import leases
from portal.signaling.sessions import session_check
from portal.signaling.sessions.session_manager import SessionManager
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import Provider, answer, silence
from tests.dots_client.transport.loopback import until
from tests.portal.signaling.session_managers import (
    ME,
    certify,
    client_of,
    db,
    point_to,
    row_of,
    running_manager,
    until_row,
)

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = 1
"""A port without a listener."""
AT_ONCE_S = 3.0
APPLICATION_DATA = 23
"""Content type of a DTLS record that carries CoAP."""


@dataclass
class There:
    """A provider with three servers; the rows name only the first."""

    authority: Authority
    provider: Provider
    servers: list[DtlsServer]
    subscription: Subscription

    def move(self, **columns: object) -> None:
        ProviderRow.objects.filter(pk=self.subscription.provider_id).update(**columns)

    async def saved(self, manager: SessionManager, **columns: object) -> None:
        """Staff saved the provider, and the worker renewed its lease."""

        def save() -> leases.SavedAt:
            provider = ProviderRow.objects.get(pk=self.subscription.provider_id)
            for name, value in columns.items():
                setattr(provider, name, value)
            provider.save()
            return self.renewed()

        manager.settings_saved(await db(save))

    def fingerprint(self) -> int:
        return fingerprints([self.subscription.pk])[self.subscription.pk]

    def renewed(self) -> leases.SavedAt:
        renewed = leases.renew(ME, now=timezone.now())
        assert renewed is not None
        return renewed.saved_at[self.subscription.pk]


@pytest.fixture
async def there(acme_northgate: Subscription) -> AsyncIterator[There]:
    authority, provider = Authority(), Provider()
    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(3):
            server = await serve_dtls(
                provider, host="127.0.0.1", port=0, credentials=authority.server()
            )
            stack.push_async_callback(server.close)
            servers.append(server)
        client = authority.client()
        await db(lambda: point_to(acme_northgate, servers[0].port, authority, client))
        yield There(authority, provider, servers, acme_northgate)


@asynccontextmanager
async def connected(there: There, threads: DatabaseThreads) -> AsyncIterator[SessionManager]:
    async with running_manager(there.subscription, threads) as manager:
        await until_row(there.subscription, lambda row: row.session_state == SessionState.UP)
        manager.settings_saved(await db(there.renewed))
        yield manager


def is_pending(row: Subscription) -> bool:
    return bool(row.pending_change and row.pending_change.tried_at)


async def test_a_new_address_is_used_at_once_and_the_old_session_closed(
    there: There, threads: DatabaseThreads
) -> None:
    old, new, _other = there.servers
    async with connected(there, threads) as manager:
        first = client_of(manager)
        (session,) = old.sessions
        since = (await row_of(there.subscription)).session_since

        await there.saved(manager, port=new.port)

        await until(lambda: client_of(manager) not in (None, first), within_s=AT_ONCE_S)
        await until(lambda: old.sessions == ())
        assert session.reason == "the client closed the session"
        row = await until_row(
            there.subscription, lambda row: row.session_detail.endswith(f":{new.port}")
        )
        assert row.session_state == SessionState.UP
        assert since is not None
        assert row.session_since is not None
        assert row.session_since > since, "since: of the session there is now"
        assert row.pending_change is None
        assert there.provider.heartbeats


async def test_a_session_is_always_open_while_settings_change(
    there: There, threads: DatabaseThreads
) -> None:
    async with connected(there, threads) as manager:
        first, gaps = client_of(manager), []
        await there.saved(manager, port=there.servers[1].port)

        def has_moved() -> bool:
            client = client_of(manager)
            gaps.append(client is None or client.is_lost)
            return client is not first

        await until(has_moved)
        assert not any(gaps)


@pytest.mark.parametrize(
    ("columns", "changed", "reason"),
    [
        ({"port": NOBODY}, ["address"], "nothing listens"),
        ({"host": f"{'x' * 64}.example"}, ["address"], "has no address"),
        ({"server_name": "other.example"}, ["server_name"], "not for other.example"),
        (
            {"trust_anchors": Authority("Another").pem.decode()},
            ["trust_anchors"],
            "an authority that is not trusted here",
        ),
        ({"transports": ["tls"]}, ["transports"], "nothing listens"),
        ({"transports": []}, ["transports"], "at least one transport"),
        ({"trust_anchors": "nothing of the kind"}, ["trust_anchors"], ""),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, list | dict) else "",
)
async def test_settings_that_fail_are_shown_and_the_old_session_continues(
    there: There,
    threads: DatabaseThreads,
    columns: dict[str, object],
    changed: list[str],
    reason: str,
) -> None:
    async with connected(there, threads) as manager:
        client = client_of(manager)
        since = (await row_of(there.subscription)).session_since

        await there.saved(manager, **columns)

        row = await until_row(there.subscription, is_pending)
        assert row.pending_change is not None
        assert row.pending_change.changed == tuple(changed)
        assert reason in row.pending_change.failure
        assert row.pending_change.tried_at
        assert (row.session_state, row.session_since) == (SessionState.UP, since)
        assert client_of(manager) is client
        assert client is not None
        assert await client.heartbeat(), "it still works"


async def test_a_reverted_change_is_no_longer_pending(
    there: There, threads: DatabaseThreads
) -> None:
    async with connected(there, threads) as manager:
        client = client_of(manager)
        await there.saved(manager, port=NOBODY)
        await until_row(there.subscription, is_pending)

        await there.saved(manager, port=there.servers[0].port)

        await until_row(there.subscription, lambda row: row.pending_change is None)
        assert client_of(manager) is client


async def test_a_second_change_does_not_wait_for_the_first_one_to_fail(
    there: There, threads: DatabaseThreads
) -> None:
    there.servers[1].drop_incoming = lambda _datagram, _address: True
    async with connected(there, threads) as manager:
        await there.saved(manager, port=there.servers[1].port)
        await until(lambda: len(manager.runner.tasks) == 2)

        await there.saved(manager, port=there.servers[2].port)

        await until(lambda: bool(there.servers[2].sessions), within_s=AT_ONCE_S)
        await until(lambda: there.servers[0].sessions == ())


async def test_a_certificate_that_is_replaced_is_shown_at_once(
    there: There, threads: DatabaseThreads
) -> None:
    credentials = there.authority.client("acme-2")

    def replace() -> leases.SavedAt:
        services.replace_certificate(
            subscription=there.subscription,
            identity=services.Identity(
                certificate_chain=credentials.certificate_chain,
                private_key=credentials.private_key,
            ),
        )
        return there.renewed()

    async with connected(there, threads) as manager:
        assert {session.peer_common_name for session in there.servers[0].sessions} == {"acme"}

        manager.settings_saved(await db(replace))

        await until(
            lambda: {one.peer_common_name for one in there.servers[0].sessions} == {"acme-2"},
            within_s=AT_ONCE_S,
        )


async def test_a_certificate_the_provider_refuses_in_the_handshake_replaces_nothing(
    there: There, threads: DatabaseThreads
) -> None:
    stranger = Authority("Another").client()
    async with connected(there, threads) as manager:
        client = client_of(manager)
        await db(lambda: certify(there.subscription, stranger))
        await there.saved(manager)

        row = await until_row(there.subscription, is_pending)
        assert row.pending_change is not None
        assert row.pending_change.changed == ("certificate",)
        assert client_of(manager) is client


@pytest.mark.parametrize("code", [Code.UNAUTHORIZED, Code.FORBIDDEN])
async def test_a_certificate_the_provider_does_not_know_replaces_nothing(
    there: There, threads: DatabaseThreads, code: Code
) -> None:
    """Signed by the right authority, so that the handshake succeeds."""
    there.provider.script.extend([answer(code, b"could not get peer common name")] * 100)
    async with connected(there, threads) as manager:
        client = client_of(manager)
        await db(lambda: certify(there.subscription, there.authority.client("unknown")))
        await there.saved(manager)

        row = await until_row(there.subscription, is_pending)
        assert row.pending_change is not None
        assert "could not get peer common name" in row.pending_change.failure
        assert client_of(manager) is client
        await until(lambda: len(there.servers[0].sessions) == 1)


async def test_a_server_that_only_answers_heartbeats_is_accepted(
    there: There, threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_check, "CHECK_WITHIN_S", 0.5)
    there.provider.script.extend([silence] * 1000)
    async with connected(there, threads) as manager:
        await there.saved(manager, port=there.servers[1].port)

        await until(lambda: bool(there.servers[1].sessions) and not there.servers[0].sessions)


async def test_a_server_that_answers_nothing_replaces_nothing(
    there: There, threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_check, "CHECK_WITHIN_S", 0.5)
    there.servers[1].drop_incoming = lambda datagram, _address: datagram[0] == APPLICATION_DATA
    async with connected(there, threads) as manager:
        client = client_of(manager)
        await there.saved(manager, port=there.servers[1].port)

        row = await until_row(there.subscription, is_pending)
        assert row.pending_change is not None
        assert "did not answer" in row.pending_change.failure
        assert client_of(manager) is client


async def test_without_the_old_session_the_new_one_needs_no_proof(
    there: There, threads: DatabaseThreads
) -> None:
    """A server that allows one session per client ends the old one when the new one begins."""
    there.provider.script.extend([silence] * 1000)
    async with connected(there, threads) as manager:
        first = client_of(manager)
        (old,) = there.servers[0].sessions
        there.provider.answers_heartbeats = False
        await there.saved(manager, port=there.servers[1].port)
        await until(lambda: bool(there.servers[1].sessions))

        old.close("one session per client")

        await until(lambda: client_of(manager) not in (None, first), within_s=AT_ONCE_S)
        await until_row(
            there.subscription,
            lambda row: row.session_detail.endswith(f":{there.servers[1].port}"),
        )


async def test_a_new_cuid_is_used_at_once(there: There, threads: DatabaseThreads) -> None:
    async with connected(there, threads) as manager:
        own = Subscription.objects.filter(pk=there.subscription.pk)
        await db(lambda: own.update(cuid="another-cuid", changed_at=timezone.now()))
        manager.settings_saved(await db(there.renewed))

        def has_it() -> bool:
            client = client_of(manager)
            return client is not None and client.cuid == "another-cuid"

        await until(has_it, within_s=AT_ONCE_S)


async def test_a_change_made_in_the_database_is_found(
    there: There, threads: DatabaseThreads
) -> None:
    async with connected(there, threads) as manager:
        await db(lambda: there.move(port=there.servers[1].port))

        manager.settings_found(await db(there.fingerprint))

        await until(lambda: bool(there.servers[1].sessions), within_s=AT_ONCE_S)


async def test_without_a_session_new_settings_end_the_wait(
    there: There, threads: DatabaseThreads
) -> None:
    """Without an attack there is a minute between two attempts."""
    await db(lambda: there.move(port=NOBODY))
    async with running_manager(there.subscription, threads) as manager:
        manager.settings_saved(await db(there.renewed))
        await until_row(there.subscription, lambda row: row.session_state == SessionState.DOWN)

        await there.saved(manager, port=there.servers[0].port)

        await until_row(
            there.subscription,
            lambda row: row.session_state == SessionState.UP,
            within_s=AT_ONCE_S,
        )


async def test_saving_without_a_change_keeps_the_session(
    there: There, threads: DatabaseThreads
) -> None:
    async with connected(there, threads) as manager:
        client = client_of(manager)
        anchors = there.authority.pem.decode().replace("\n", "\r\n")

        await there.saved(manager, phone="+1 555 0000", trust_anchors=anchors)

        await until(lambda: manager._changed_settings.wanted is not None)
        await until(lambda: not manager._changed_settings.must_read)
        assert manager._changed_settings.pending is None
        assert client_of(manager) is client


async def test_the_provider_is_not_blamed_for_a_failure_of_the_portal(
    there: There, threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(there, threads) as manager:

        async def fail(*_arguments: object) -> None:
            raise RuntimeError("ours")

        monkeypatch.setattr("portal.signaling.sessions.session_runner.check_session", fail)
        await there.saved(manager, port=there.servers[1].port)

        row = await until_row(there.subscription, is_pending)
        assert row.pending_change is not None
        assert (row.pending_change.failure, row.pending_change.fault) == ("", "crashed")

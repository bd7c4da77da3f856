"""How a client follows redirections: the name, the addresses, and the return."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiocoap import Code

from dots_client import (
    AlternateRefused,
    Client,
    ClientCache,
    HandshakeFailed,
    MitigationReport,
    MitigationStatus,
    NotFollowed,
    PeerUnreachable,
    Redirected,
    RedirectedSignal,
    Server,
    connect,
)
from dots_client.codec import encode_redirect
from dots_client.transport.dtls_server import DtlsServer, serve_dtls
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, Answer, Provider, answer

HOME, ALT = "home.example", "alt.example"


def to(name: str = ALT, *addresses: str, ttl_s: int = 600, default: str = "127.0.0.2") -> Answer:
    redirect = RedirectedSignal(alt_server=name, alt_server_record=addresses or (default,))
    return answer(
        Code.SERVICE_UNAVAILABLE, encode_redirect(redirect), content_format=271, max_age=ttl_s
    )


class Pair:
    """A provisioned server and its alternate, on one port of two addresses."""

    def __init__(
        self, authority: Authority, home: Provider, alt: Provider, servers: list[DtlsServer]
    ) -> None:
        self.home = home
        self.alt = alt
        self.servers = servers
        self.cache = ClientCache()
        self._credentials = authority.client()

    @property
    def server(self) -> Server:
        return Server(HOME, "127.0.0.1", self.servers[0].port)

    @asynccontextmanager
    async def session(self, *, is_under_attack: bool = False) -> AsyncIterator[Client]:
        async with connect(
            self.server,
            self._credentials,
            cuid=CUID,
            settings=SETTINGS,
            cache=self.cache,
            is_under_attack=is_under_attack,
        ) as client:
            yield client

    async def redirected(self, answer: Answer) -> None:
        """A session with the provisioned server, which answers the first request with this."""
        self.home.script.append(answer)
        async with self.session() as client:
            with pytest.raises(Redirected):
                await client.request(1, SCOPE)


@asynccontextmanager
async def pair(authority: Authority, *, alt_name: str = ALT) -> AsyncIterator[Pair]:
    home, alt = Provider(), Provider()
    first = await serve_dtls(
        home, host="127.0.0.1", port=0, credentials=authority.server(names=(HOME,))
    )
    second = await serve_dtls(
        alt, host="127.0.0.2", port=first.port, credentials=authority.server(names=(alt_name,))
    )
    try:
        yield Pair(authority, home, alt, [first, second])
    finally:
        await first.close()
        await second.close()


@pytest.mark.rule("SC-098")
@pytest.mark.rule("SC-099")
async def test_the_next_session_is_with_the_alternate_without_asking_dns(
    authority: Authority,
) -> None:
    async with pair(authority) as there:
        there.home.script.append(to())
        async with there.session() as client:
            with pytest.raises(Redirected):
                await client.request(1, SCOPE)
            assert client.should_move.is_set()
            assert there.cache.is_redirected
            client.should_move.clear()
            assert client.is_sent_elsewhere

        async with there.session() as client:
            assert client.peer == f"127.0.0.2:{there.server.port}"
            assert (await client.request(1, SCOPE)).mid == 1
            assert not client.should_move.is_set()
            assert not client.is_sent_elsewhere

        assert [len(one.asked(Code.PUT)) for one in (there.home, there.alt)] == [1, 1]


@pytest.mark.rule("SC-105")
async def test_the_alternate_has_to_prove_the_name_it_was_called_by(authority: Authority) -> None:
    async with pair(authority, alt_name="other.example") as there:
        await there.redirected(to())

        with pytest.raises(HandshakeFailed, match=r"for other\.example, not for alt\.example"):
            async with there.session():
                pytest.fail("there must be no session")

        async with there.session() as client:
            assert client.peer.startswith("127.0.0.1:"), "given up: back to the provisioned one"


@pytest.mark.rule("SC-105")
async def test_the_alternate_has_to_be_of_the_same_authority(
    authority: Authority, rogue: Authority
) -> None:
    async with pair(authority) as there:
        await there.servers.pop().close()
        impostor = await serve_dtls(
            Provider(),
            host="127.0.0.2",
            port=there.server.port,
            credentials=rogue.server(names=(ALT,)),
            require_client_certificate=False,
        )
        await there.redirected(to())

        with pytest.raises(HandshakeFailed, match="an authority that is not trusted here"):
            async with there.session():
                pytest.fail("there must be no session")
        await impostor.close()


async def test_an_alternate_that_does_not_answer_is_abandoned(authority: Authority) -> None:
    async with pair(authority) as there:
        await there.redirected(to(ALT, "127.0.0.3"))
        with pytest.raises(PeerUnreachable):
            async with there.session():
                pytest.fail("there must be no session")

        there.home.script.append(to(ALT, "127.0.0.3"))
        async with there.session() as client:
            with pytest.raises(Redirected):
                await client.request(2, SCOPE)
            assert not client.should_move.is_set()


@pytest.mark.rule("SC-102")
@pytest.mark.rule("SC-103")
async def test_a_redirection_loop_is_not_followed_but_reported(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    ignored: list[NotFollowed] = []
    async with pair(authority) as there:
        await there.redirected(to())
        there.alt.script.append(to(HOME, "127.0.0.1"))
        there.cache.on_not_followed = ignored.append
        with caplog.at_level(logging.WARNING, logger="dots_client"):
            async with there.session() as client:
                with pytest.raises(Redirected):
                    await client.request(1, SCOPE)
                assert not client.should_move.is_set()

        assert "alt.example sends us to home.example, where we have just been" in caplog.text
        assert ignored == [NotFollowed.LOOP]
        async with there.session() as client:
            assert client.peer.startswith("127.0.0.2:")


@pytest.mark.rule("SC-100")
async def test_should_move_is_set_when_the_redirection_expires(authority: Authority) -> None:
    async with pair(authority) as there:
        await there.redirected(to(ttl_s=1))
        async with there.session() as client:
            assert client.peer.startswith("127.0.0.2:")
            async with asyncio.timeout(5):
                await client.should_move.wait()
        async with there.session() as client:
            assert client.peer.startswith("127.0.0.1:")


@pytest.mark.rule("SC-100")
@pytest.mark.rule("SC-101")
async def test_the_session_with_the_alternate_stays_during_an_attack(
    authority: Authority,
) -> None:
    async with pair(authority) as there:
        await there.redirected(to(ttl_s=0))
        async with there.session(is_under_attack=True) as client:
            await client.request(1, SCOPE)
            assert client.peer.startswith("127.0.0.2:")
            assert not client.should_move.is_set()

            client.mitigating = False

            async with asyncio.timeout(5):
                await client.should_move.wait()
        async with there.session() as client:
            assert client.peer.startswith("127.0.0.1:")


@pytest.mark.rule("SC-098")
async def test_a_notification_may_redirect(authority: Authority) -> None:
    async with pair(authority) as there, there.session() as client:
        await client.request(1, SCOPE)
        async with client.observe(1) as reports:
            await anext(reports)
            there.home.script.append(to())
            there.home.notify(MitigationStatus.MITIGATING)
            with pytest.raises(Redirected):
                await _last(reports)

        assert client.should_move.is_set()


async def _last(reports: AsyncIterator[MitigationReport]) -> None:
    async with asyncio.timeout(5):
        async for _ in reports:
            pass


@pytest.mark.rule("SC-106")
async def test_the_configuration_is_read_again_from_the_alternate(authority: Authority) -> None:
    async with pair(authority) as there:
        await there.redirected(to())
        async with there.session() as client:
            assert (await client.configuration()).sid == 7

        assert len(there.alt.asked(Code.GET)) == 1


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1",
    "0.0.0.0"]
)  # fmt: skip
async def test_a_redirection_to_another_kind_of_address_is_not_followed_but_reported(
    authority: Authority, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    ignored: list[NotFollowed] = []
    async with pair(authority) as there:
        there.cache.on_not_followed = ignored.append
        there.home.script.append(to(ALT, address))
        with caplog.at_level(logging.WARNING, logger="dots_client"):
            async with there.session() as client:
                with pytest.raises(Redirected):
                    await client.request(1, SCOPE)
                assert not client.should_move.is_set()
                assert (await client.request(1, SCOPE)).mid == 1

        assert ignored == [NotFollowed.INNER_ADDRESS]
        assert not there.cache.is_redirected
        assert "at addresses of another kind than its own" in caplog.text


async def test_a_name_with_addresses_of_another_kind_is_abandoned(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inside(_host: str, port: int) -> list[tuple[str, int]]:
        return [("169.254.169.254", port)]

    ignored: list[NotFollowed] = []
    to_the_name_alone = answer(
        Code.SERVICE_UNAVAILABLE,
        encode_redirect(RedirectedSignal(alt_server=ALT)),
        content_format=271,
        max_age=600,
    )
    async with pair(authority) as there:
        there.cache.on_not_followed = ignored.append
        there.home.script.append(to_the_name_alone)
        async with there.session() as client:
            with pytest.raises(Redirected):
                await client.request(1, SCOPE)

        with monkeypatch.context() as patched:
            patched.setattr("dots_client.client.connector.addresses_of", inside)
            with pytest.raises(AlternateRefused, match=ALT):
                async with there.session():
                    pytest.fail("there must be no session")

        assert ignored == [NotFollowed.INNER_ADDRESS]
        async with there.session() as client:
            assert client.peer.startswith("127.0.0.1:")
            there.home.script.append(to_the_name_alone)
            with pytest.raises(Redirected):
                await client.request(1, SCOPE)
            assert not client.should_move.is_set()
        assert ignored == [NotFollowed.INNER_ADDRESS] * 2

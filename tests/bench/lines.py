"""One request over one bad line, by our client and by libcoap's."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dots_client import Client, ClientCache, ClientSettings, DotsError, Reconnect, connect
from dots_client.codec import encode_request, mitigate_path
from tests.bench.provider import BenchProvider, scope
from tests.bench.report import NEVER
from tests.dots_client.loss.pacing import gaps
from tests.dots_client.loss.relay import CALM, Passage, Relay, Weather, relaying

DELAY_S: Final = 0.005
WITHDRAWN_WITHIN_S: Final = 5.0
LIBCOAP: Final = "coap-client-openssl"
LIBCOAP_LIFETIME_S: Final = 300
"""No run withdraws what it requested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The network conditions of one run."""

    provider: BenchProvider
    weather: Weather
    calm_after_s: float | None
    "how long after the start the loss ends"
    patience_s: float
    mid: int
    seed: int
    settings: ClientSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    confirmed_s: float
    "from the first attempt; NEVER if it took longer than the limit"
    requests: int = 0
    "times the request was sent"
    datagrams: int = 0
    "to the server, from the first attempt on"
    shortest_gap_s: float = NEVER
    """shortest time between two sends of the request; RFC 9132 wants at least a round trip on
    average
    """


async def in_session(line: Line) -> Outcome:
    """The session exists when the line turns bad."""
    loop = asyncio.get_running_loop()
    calm = Weather(delay_s=DELAY_S)
    async with (
        relaying(line.provider.port, seed=line.seed, weather=calm) as relay,
        _connected(line, relay) as client,
    ):
        await client.heartbeat()
        client.mitigating = True
        _turn_bad(relay, line)
        began_at = loop.time()
        tries: list[float] = []
        confirmed_s = NEVER
        with suppress(TimeoutError):
            async with asyncio.timeout(line.patience_s):
                await client.request(line.mid, scope(line.mid), on_sent=_noting(tries))
                confirmed_s = loop.time() - began_at
        outcome = _outcome(relay, began_at, confirmed_s, tries)
        await _clear_away(client, relay, line)
    return outcome


async def from_nothing(line: Line) -> Outcome:
    """The line is bad from the start, before the handshake."""
    async with relaying(line.provider.port, seed=line.seed) as relay:
        return await _through_the_storm(line, relay, ClientCache())


async def from_a_ticket(line: Line) -> Outcome:
    """The same after a session in peacetime, whose ticket the client still has."""
    cache = ClientCache()
    calm = Weather(delay_s=DELAY_S)
    async with relaying(line.provider.port, seed=line.seed, weather=calm) as relay:
        async with _connected(line, relay, cache=cache) as client:
            await client.heartbeat()
        return await _through_the_storm(line, relay, cache)


async def _through_the_storm(line: Line, relay: Relay, cache: ClientCache) -> Outcome:
    loop = asyncio.get_running_loop()
    _turn_bad(relay, line)
    began_at = loop.time()
    confirmed_s = NEVER
    tries: list[float] = []
    outcome: Outcome | None = None
    reconnect = Reconnect(rng=random.Random(line.seed))
    with suppress(TimeoutError):
        async with asyncio.timeout(line.patience_s):
            while outcome is None:
                due_at = reconnect.next_attempt_at(now=loop.time(), is_under_attack=True)
                await asyncio.sleep(max(0.0, due_at - loop.time()))
                reconnect.attempted(now=loop.time())
                with suppress(DotsError):
                    async with _connected(line, relay, cache=cache, is_under_attack=True) as client:
                        await client.request(line.mid, scope(line.mid), on_sent=_noting(tries))
                        confirmed_s = loop.time() - began_at
                        outcome = _outcome(relay, began_at, confirmed_s, tries)
                        await _clear_away(client, relay, line)
    return outcome or _outcome(relay, began_at, confirmed_s, tries)


def _connected(
    line: Line, relay: Relay, *, cache: ClientCache | None = None, is_under_attack: bool = False
) -> AbstractAsyncContextManager[Client]:
    return connect(
        line.provider.server(port=relay.port),
        line.provider.credentials,
        cuid=line.provider.cuid,
        settings=line.settings,
        cache=cache,
        is_under_attack=is_under_attack,
    )


def _turn_bad(relay: Relay, line: Line) -> None:
    relay.weather = line.weather
    if line.calm_after_s is not None:
        asyncio.get_running_loop().call_later(line.calm_after_s, _clear_up, relay)


def _clear_up(relay: Relay) -> None:
    relay.weather = Weather(delay_s=DELAY_S)


def _outcome(relay: Relay, began_at: float, confirmed_s: float, tries: list[float]) -> Outcome:
    return Outcome(
        confirmed_s=confirmed_s,
        requests=len(tries),
        datagrams=_datagrams(relay, since=began_at),
        shortest_gap_s=min(gaps(tries), default=NEVER),
    )


def _datagrams(relay: Relay, *, since: float) -> int:
    return sum(passage.is_to_server and passage.at >= since for passage in relay.passages)


def _noting(times: list[float]) -> Callable[[int], None]:
    return lambda _number: times.append(asyncio.get_running_loop().time())


async def _clear_away(client: Client, relay: Relay, line: Line) -> None:
    """So that the provider does not accumulate thousands of them."""
    relay.weather = CALM
    with suppress(TimeoutError, DotsError):
        async with asyncio.timeout(WITHDRAWN_WITHIN_S):
            await client.withdraw(line.mid)


async def libcoap_in_session(line: Line) -> Outcome:
    """The line turns bad with the first CoAP message, which is the request itself."""
    loop = asyncio.get_running_loop()

    def begin(passage: Passage) -> None:
        if passage.is_application_data and passage.is_to_server:
            relay.on_passage = None
            if line.calm_after_s is not None:
                loop.call_later(line.calm_after_s, _clear_up, relay)

    calm = Weather(delay_s=DELAY_S)
    async with relaying(line.provider.port, seed=line.seed, weather=calm) as relay:
        relay.storm = line.weather
        relay.on_passage = begin
        confirmed_at = await _run_libcoap(line, relay)
        return _libcoap_outcome(relay, min(relay.sent_by_client(), default=0.0), confirmed_at)


async def libcoap_from_nothing(line: Line) -> Outcome:
    began_at = asyncio.get_running_loop().time()
    async with relaying(line.provider.port, seed=line.seed) as relay:
        _turn_bad(relay, line)
        return _libcoap_outcome(relay, began_at, await _run_libcoap(line, relay))


async def _run_libcoap(line: Line, relay: Relay) -> float:
    """When it printed the provider's answer; NEVER if it gave up."""
    provider = line.provider
    path = "/".join(mitigate_path(provider.cuid, line.mid))
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
        folder = Path(name)
        (folder / "own.crt").write_bytes(provider.credentials.certificate_chain)
        (folder / "own.key").write_bytes(provider.credentials.private_key)
        (folder / "ca.crt").write_bytes(provider.credentials.trust_anchors)
        body = encode_request(scope(line.mid, lifetime=LIBCOAP_LIFETIME_S))
        (folder / "body").write_bytes(body)
        process = await asyncio.create_subprocess_exec(
            LIBCOAP,
            *("-c", str(folder / "own.crt"), "-j", str(folder / "own.key")),
            *("-C", str(folder / "ca.crt")),
            *("-B", f"{line.patience_s:.0f}", "-v", "1"),
            *("-m", "put", "-t", "271", "-f", str(folder / "body")),
            f"coaps://127.0.0.1:{relay.port}/{path}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        answer, _ = await process.communicate()
    return asyncio.get_running_loop().time() if answer.strip() else NEVER


def _libcoap_outcome(relay: Relay, began_at: float, confirmed_at: float) -> Outcome:
    tries = relay.sent_by_client(since=began_at)
    return Outcome(
        confirmed_s=confirmed_at - began_at,
        requests=len(tries),
        datagrams=_datagrams(relay, since=began_at),
    )

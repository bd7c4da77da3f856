from __future__ import annotations

import asyncio

import pytest

from dots_client.errors import HandshakeFailed, LocalProtocolError, PeerUnreachable
from dots_client.session import Candidate, HappyEyeballsSettings
from dots_client.session.happy_eyeballs import MAX_FAILURES
from dots_client.transport import connection_attempts
from dots_client.transport.connection_attempts import first_to_connect

UDP, TCP = Candidate("dtls", "192.0.2.1"), Candidate("tls", "192.0.2.1")
SETTINGS = HappyEyeballsSettings(attempt_delay_s=0.02, repeat_s=0.05)
WITHOUT_REPEATS = HappyEyeballsSettings(attempt_delay_s=0.02)


class Session:
    """Knows whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


class Network:
    """Opens a session after `takes_s`, or raises the error in its place."""

    def __init__(self, **takes_s: float | Exception) -> None:
        self.takes_s = takes_s
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.made: list[Session] = []

    async def open(self, candidate: Candidate, within_s: float) -> Session:
        self.begun.append(candidate.transport)
        takes_s = self.takes_s[candidate.transport]
        try:
            if isinstance(takes_s, Exception):
                raise takes_s
            async with asyncio.timeout(within_s):
                await asyncio.sleep(takes_s)
        except TimeoutError:
            raise PeerUnreachable(f"nothing within {within_s:.1f} s") from None
        finally:
            self.ended.append(candidate.transport)
        session = Session()
        self.made.append(session)
        return session


@pytest.mark.rule("SC-108")
async def test_the_first_session_wins_and_the_others_are_stopped() -> None:
    network = Network(dtls=30.0, tls=0.0)

    winner, session = await first_to_connect(
        (UDP, TCP), network.open, timeout_s=5, settings=WITHOUT_REPEATS
    )

    assert winner == TCP
    assert network.begun == ["dtls", "tls"]
    assert sorted(network.ended) == ["dtls", "tls"]
    assert not session.is_closed


async def test_a_session_that_comes_second_in_the_same_moment_is_closed() -> None:
    network = Network(dtls=0.02, tls=0.0)

    _, session = await first_to_connect(
        (UDP, TCP), network.open, timeout_s=5, settings=WITHOUT_REPEATS
    )

    assert [made.is_closed for made in network.made if made is not session] in ([], [True])


async def test_a_silent_handshake_is_repeated_until_the_deadline() -> None:
    network = Network(dtls=30.0)

    with pytest.raises(PeerUnreachable, match=r"nothing within 0\.6 s"):
        await first_to_connect((UDP,), network.open, timeout_s=0.6, settings=SETTINGS)

    # Every 50 ms, or seldom if other tests keep the machine busy.
    assert 2 <= len(network.begun) <= 12
    assert network.begun == network.ended


async def test_the_race_ends_when_every_candidate_has_failed_and_reports_the_first_reasons() -> (
    None
):
    network = Network(dtls=HandshakeFailed("wrong name"), tls=PeerUnreachable("nobody there"))

    with pytest.raises(HandshakeFailed, match=r"^wrong name; nobody there$"):
        await first_to_connect((UDP, TCP), network.open, timeout_s=30, settings=SETTINGS)

    assert network.begun == ["dtls", "tls", *["dtls"] * (MAX_FAILURES - 1)]


async def test_the_race_does_not_wait_for_a_retry_after_the_deadline() -> None:
    network = Network(dtls=HandshakeFailed("wrong name"))

    # The second attempt is due after 0.25 s, the third one after 0.75 s.
    with pytest.raises(HandshakeFailed, match="wrong name"):
        await first_to_connect(
            (UDP,), network.open, timeout_s=0.7, settings=HappyEyeballsSettings()
        )

    assert network.begun == ["dtls", "dtls"]


@pytest.mark.parametrize("failed_after_s", [0.0, 2.9, 3.0, 9.9, 10.0, 10.1, 100.0])
async def test_the_race_ends_however_late_its_attempts_fail(
    failed_after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the event loop may notice a failure only after the deadline, when the next
    attempt was due before it.
    """
    clock = [0.0]
    monkeypatch.setattr(connection_attempts, "_time", lambda: clock[0])

    async def fail_late(_candidate: Candidate, _within_s: float) -> Session:
        clock[0] += failed_after_s
        raise PeerUnreachable("nobody there")

    async def advance() -> None:
        while True:
            await asyncio.sleep(0)
            clock[0] += 0.1

    passing = asyncio.create_task(advance())
    try:
        async with asyncio.timeout(5):
            with pytest.raises(PeerUnreachable, match="nobody there"):
                await first_to_connect(
                    (UDP,), fail_late, timeout_s=10, settings=HappyEyeballsSettings()
                )
    finally:
        passing.cancel()


async def test_a_race_without_candidates_fails() -> None:
    with pytest.raises(PeerUnreachable, match="no address"):
        await first_to_connect((), Network().open, timeout_s=1, settings=SETTINGS)


async def test_a_local_error_is_not_hidden_behind_others() -> None:
    network = Network(dtls=30.0, tls=LocalProtocolError("ours"))

    with pytest.raises(LocalProtocolError, match="ours"):
        await first_to_connect((UDP, TCP), network.open, timeout_s=5, settings=SETTINGS)

    assert {"dtls", "tls"} <= set(network.begun)
    assert sorted(network.ended) == sorted(network.begun)


async def test_a_timeout_stops_every_attempt() -> None:
    network = Network(dtls=30.0, tls=30.0)
    racing = asyncio.create_task(
        first_to_connect((UDP, TCP), network.open, timeout_s=60, settings=SETTINGS)
    )
    async with asyncio.timeout(5):
        while len(network.begun) < 3:  # noqa: ASYNC110 - the fake has no event
            await asyncio.sleep(0.01)

    racing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await racing
    assert sorted(network.ended) == sorted(network.begun)

"""The saved sessions."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest
from OpenSSL import SSL

from dots_client.identity import Credentials
from dots_client.transport.engine import Engine
from dots_client.transport.resumption import (
    MAX_AGE_S,
    MAX_KEPT,
    Offer,
    Offers,
    ResumptionCache,
    ResumptionKey,
)
from tests.dots_client.authority import Authority


def _key(credentials: Credentials, number: int = 0) -> ResumptionKey:
    return ResumptionKey("dtls", "provider.example", 4646 + number, credentials)


def _kept(since: float = 0) -> Offer:
    return Offer(Mock(SSL.Context), Mock(SSL.Session), since)


@pytest.mark.rule("SC-120")
def test_every_second_attempt_is_a_full_handshake(authority: Authority) -> None:
    resumption, key, kept = ResumptionCache(), _key(authority.client()), _kept()
    resumption.keep(key, kept)

    offered = [resumption.offer(key, now=1) for _ in range(4)]

    assert offered == [kept, None, kept, None]


@pytest.mark.rule("SC-120")
def test_a_session_grows_no_older_than_a_day_however_often_it_is_resumed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumption, key = ResumptionCache(), _key(authority.client())
    offers = Offers(Mock(SSL.Context), resumption, key)
    resumed = Mock(Engine, was_resumed=True, session=Mock(SSL.Session))
    resumption.keep(key, _kept(since=0))

    for now in (MAX_AGE_S - 1, MAX_AGE_S):
        monkeypatch.setattr("dots_client.transport.resumption._now", lambda now=now: now)
        ((_, offer),) = offers.attempts([("192.0.2.1", 4646)])
        assert offer.session is not None
        offers.keep(resumed, offer, made_at=now)

    assert resumption.offer(key, now=MAX_AGE_S + 1) is None


@pytest.mark.rule("SC-120")
def test_a_full_handshake_resets_the_age_of_a_session(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumption, key = ResumptionCache(), _key(authority.client())
    offers = Offers(Mock(SSL.Context), resumption, key)
    resumption.keep(key, _kept(since=0))
    monkeypatch.setattr("dots_client.transport.resumption._now", lambda: MAX_AGE_S)

    ((_, offer),) = offers.attempts([("192.0.2.1", 4646)])
    made = Mock(Engine, was_resumed=False, session=Mock(SSL.Session))
    offers.keep(made, offer, made_at=MAX_AGE_S)

    assert resumption.offer(key, now=2 * MAX_AGE_S) is not None


def test_saved_sessions_are_bounded_and_can_be_dropped(authority: Authority) -> None:
    resumption, credentials, kept = ResumptionCache(), authority.client(), _kept()
    for number in range(MAX_KEPT + 1):
        resumption.keep(_key(credentials, number), kept)
    resumption.forget(_key(credentials, 2))

    offered = [resumption.offer(_key(credentials, number), now=0) for number in range(4)]

    assert offered == [None, kept, None, kept]
    other = replace(_key(credentials, 3), credentials=authority.client("globex"))
    assert resumption.offer(other, now=0) is None


@pytest.mark.rule("SC-120")
def test_a_session_from_an_older_handshake_does_not_replace_a_newer_one(
    authority: Authority,
) -> None:
    resumption, key = ResumptionCache(), _key(authority.client())
    younger = _kept(since=10)
    resumption.keep(key, younger)

    resumption.keep(key, _kept(since=9))

    assert resumption.offer(key, now=11) is younger


def test_a_session_of_one_transport_is_not_offered_over_the_other(authority: Authority) -> None:
    resumption, key = ResumptionCache(), _key(authority.client())
    resumption.keep(key, _kept())

    assert resumption.offer(replace(key, transport="tls"), now=0) is None

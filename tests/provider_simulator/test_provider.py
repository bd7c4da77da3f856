from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.server import HEARTBEAT_PATH, encode_request, mitigate_path
from tests.provider_simulator.offline import CUID, OfflineProvider, scope


@pytest.mark.rule("SS-002")
@pytest.mark.parametrize(
    "path", [(), ("core",), (".well-known", "core"), (".well-known", "dots", "v1", "mitigate")]
)
def test_a_path_that_is_not_dots_is_not_found(path: tuple[str, ...]) -> None:
    assert OfflineProvider().client().answered("GET", path).code == "4.04"


@pytest.mark.rule("SS-003")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", mitigate_path(CUID, 1)),
        ("POST", (".well-known", "dots", "config")),
        ("GET", HEARTBEAT_PATH),
        ("DELETE", HEARTBEAT_PATH),
    ],
)
def test_other_methods_are_not_allowed(method: str, path: tuple[str, ...]) -> None:
    assert OfflineProvider().client().answered(method, path).code == "4.05"


@pytest.mark.rule("SS-013")
@pytest.mark.parametrize("content_format", [None, 60, 0])
def test_a_body_of_another_content_format_is_refused(content_format: int | None) -> None:
    response = (
        OfflineProvider()
        .client()
        .answered(
            "PUT",
            mitigate_path(CUID, 1),
            payload=encode_request(scope()),
            content_format=content_format,
        )
    )

    assert response.code == "4.15"


@pytest.mark.rule("SS-024")
@pytest.mark.parametrize(
    "path",
    [
        (".well-known", "dots", "mitigate"),
        (".well-known", "dots", "mitigate", "mid=1", "cuid=x"),
        (".well-known", "dots", "mitigate", "cuid=x", "mid=abc"),
        (".well-known", "dots", "config", "cuid=x", "sid=1"),
    ],
)
def test_a_malformed_dots_path_is_a_bad_request(path: tuple[str, ...]) -> None:
    assert OfflineProvider().client().answered("GET", path).code == "4.00"


@pytest.mark.rule("SS-020")
@pytest.mark.rule("SS-022")
def test_a_cdid_from_a_client_changes_nothing() -> None:
    acme = OfflineProvider().client()
    path = (".well-known", "dots", "mitigate", "cdid=7eea", f"cuid={CUID}", "mid=1")

    assert acme.answered("PUT", path, payload=encode_request(scope())).code == "2.01"

    assert acme.get(1).code == "2.05"


@pytest.mark.rule("SS-091")
def test_a_client_without_a_contract_is_unauthorized_but_may_send_heartbeats() -> None:
    stranger = OfflineProvider().client("stranger")

    assert stranger.request(1).code == "4.01"
    assert stranger.get().code == "4.01"
    assert stranger.config("GET").code == "4.01"
    heartbeat = stranger.heartbeat()
    assert heartbeat is not None
    assert heartbeat.code == "2.04"


@pytest.mark.rule("SS-074")
def test_a_heartbeat_is_answered_with_an_empty_2_04_and_with_one_of_the_providers() -> None:
    acme = OfflineProvider().client()
    assert acme.server.provider.heartbeats_due(now=acme.server.now) == []

    response = acme.heartbeat()

    assert response is not None
    assert (response.code, response.payload) == ("2.04", b"")
    assert acme.server.provider.heartbeats_due(now=acme.server.now) == [(1, True)]
    assert acme.server.provider.heartbeats_due(now=acme.server.now + 29) == []
    assert acme.server.provider.heartbeats_due(now=acme.server.now + 30) == [(1, True)]


@pytest.mark.rule("SS-074")
def test_the_server_reports_missing_heartbeats_of_the_client() -> None:
    acme = OfflineProvider().client()
    acme.heartbeat()

    assert acme.server.provider.heartbeats_due(now=acme.server.now + 61) == [(1, False)]


@pytest.mark.rule("SS-077")
def test_a_client_that_receives_no_heartbeats_gets_one_right_after_its_own() -> None:
    acme = OfflineProvider().client()
    acme.heartbeat()
    acme.server.provider.heartbeats_due(now=acme.server.now)

    acme.heartbeat(is_seen=False)

    assert acme.server.provider.heartbeats_due(now=acme.server.now) == [(1, True)]


def test_a_malformed_heartbeat_is_refused() -> None:
    acme = OfflineProvider().client()

    assert acme.answered("PUT", HEARTBEAT_PATH, payload=b"\xa1\x18\x31\xa0").code == "4.00"


def test_disabled_heartbeats_are_neither_sent_nor_answered() -> None:
    acme = OfflineProvider(heartbeats=False).client()

    assert acme.heartbeat() is None
    assert acme.server.provider.heartbeats_due(now=acme.server.now) == []
    assert acme.server.provider.next_timer(now=acme.server.now) is None


def test_a_silent_provider_still_answers_heartbeats_and_configuration() -> None:
    acme = OfflineProvider(accept="silent").client()

    assert acme.send("PUT", mitigate_path(CUID, 1), payload=encode_request(scope())) is None
    assert acme.send("GET", mitigate_path(CUID, 1)) is None
    assert acme.heartbeat() is not None
    assert acme.config("GET").code == "2.05"


def test_an_answer_to_a_heartbeat_of_a_closed_session_is_ignored() -> None:
    acme = OfflineProvider().client()
    acme.server.provider.close_session(1)

    acme.server.provider.heartbeat_answered(1, now=acme.server.now, rtt_s=0.1)

    assert acme.server.provider.sessions == {}


def test_the_state_shows_what_the_provider_believes() -> None:
    acme = OfflineProvider().client()
    acme.heartbeat()
    acme.request(1, scope(lifetime=60))

    state = acme.server.provider.state(now=acme.server.now)

    [held] = state["mitigations"]
    assert (held["cuid"], held["mid"], held["status"]) == (CUID, 1, 1)
    assert held["scope"] == {"target-prefix": ["203.0.113.7/32"], "lifetime": 60}
    assert (held["lifetime_remaining"], held["received_at"]) == (60, acme.server.now)
    assert state["sessions"][0]["client"] == "acme"
    assert state["requests_seen"] == 2


SEGMENTS = st.sampled_from(
    [".well-known", "dots", "mitigate", "config", "hb", "cuid=x", "mid=1", "sid=1", "cdid=y", ""]
)


@given(
    method=st.sampled_from(["GET", "PUT", "DELETE", "POST"]),
    path=st.lists(SEGMENTS, max_size=7).map(tuple) | st.just(mitigate_path(CUID, 1)),
    payload=st.binary(max_size=60) | st.just(encode_request(scope())),
    if_match=st.sampled_from([(), (b"",), (b"x",)]),
    observe=st.sampled_from([None, 0, 1, 7]),
)
def test_no_request_raises_an_error(
    method: str,
    path: tuple[str, ...],
    payload: bytes,
    if_match: tuple[bytes, ...],
    observe: int | None,
) -> None:
    acme = OfflineProvider().client()

    acme.send(method, path, payload=payload, if_match=if_match, observe=observe)
    acme.server.wait(1)

    assert acme.server.provider.requests_seen == 1

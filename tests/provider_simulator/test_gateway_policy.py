"""The decisions of a gateway, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from dots_client import ConflictCause
from dots_client.server import DOTS_CBOR, decode_mitigations, encode_request, mitigate_path
from dots_server.messages import Request, Response, text
from provider_simulator import gateway_policy
from provider_simulator.gateway_policy import FORWARD, Gateway
from tests.provider_simulator.offline import CUID, ENTITLEMENTS, START, scope

DOMAIN = "7eeaf349529eb55ed50113"


def gateway(**options: Any) -> Gateway:
    """With a session of acme (1), globex (2) and a stranger (3)."""
    made = Gateway(name="edge-1", entitlements=ENTITLEMENTS, **options)
    for number, client in ((1, "acme"), (2, "globex"), (3, "stranger")):
        made.open_session(number, client=client, peer="192.0.2.9:5000", now=START)
    return made


def put(*prefixes: str, cuid: str = CUID, mid: int | None = 1, **fields: Any) -> Request:
    defaults: dict[str, Any] = {
        "method": "PUT",
        "path": mitigate_path(cuid, mid),
        "payload": encode_request(scope(*prefixes)),
        "content_format": DOTS_CBOR,
    }
    return Request(**{**defaults, **fields})


def got(answer: Response | None) -> str:
    assert answer is not None
    return "forwarded" if answer is FORWARD else answer.code


@pytest.mark.rule("SS-082")
@pytest.mark.parametrize("claimed", [(), ("cdid=forged",)])
def test_the_gateway_puts_its_own_cdid_before_the_cuid(
    claimed: tuple[str, ...],
) -> None:
    path = (".well-known", "dots", "mitigate", *claimed, f"cuid={CUID}", "mid=1")

    onward = gateway().forwarded(put(path=path), client="acme", domain=DOMAIN)

    assert onward.path[2:] == ("mitigate", f"cdid={DOMAIN}", f"cuid={CUID}", "mid=1")


@pytest.mark.rule("SS-021")
def test_a_trusted_gateway_chooses_the_cdid() -> None:
    path = (".well-known", "dots", "mitigate", "cdid=first", f"cuid={CUID}", "mid=1")
    trusting = gateway(trusts=["globex"])

    onward = trusting.forwarded(put(path=path), client="globex", domain=DOMAIN)
    bare = trusting.forwarded(put(), client="globex", domain=DOMAIN)

    assert onward.path[3] == "cdid=first"
    assert bare.path[3] == f"cdid={DOMAIN}"


def test_a_trusted_gateway_keeps_its_own_clients_apart() -> None:
    trusting = gateway(trusts=["globex"])
    trusting.receive(1, put("203.0.113.7/32"), now=START)

    assert got(trusting.receive(2, put("198.51.100.7/32"), now=START)) == "forwarded"
    assert got(trusting.receive(2, put("203.0.113.7/32"), now=START)) == "4.00"
    assert got(trusting.receive(1, put("203.0.113.8/32", mid=2), now=START)) == "forwarded"


def test_a_gateway_may_hide_its_clients_domain() -> None:
    onward = gateway(tells_domains=False).forwarded(put(mid=None), client="acme", domain=DOMAIN)

    assert onward.path == mitigate_path(CUID)


def test_the_gateway_does_not_change_the_request() -> None:
    request = put(queries=("c=n",), if_match=(b"",), observe=1)

    onward = gateway().forwarded(request, client="acme", domain=DOMAIN)

    assert (onward.payload, onward.queries, onward.observe) == (request.payload, ("c=n",), 1)
    assert onward.must_exist
    assert onward.code.name == "PUT"


@pytest.mark.rule("SS-083")
@pytest.mark.parametrize(("given", "left"), [(None, 16), (255, 254), (2, 1)])
def test_a_hop_limit_is_added_or_decremented(given: int | None, left: int) -> None:
    assert gateway().forwarded(put(hop_limit=given), client="acme", domain=DOMAIN).hop_limit == left


@pytest.mark.rule("SS-086")
def test_a_request_with_no_hop_left_gets_5_08_with_the_gateways_name() -> None:
    answer = gateway().receive(1, put(hop_limit=1), now=START)

    assert answer == text("5.08", "edge-1")
    assert got(gateway().receive(1, put(hop_limit=2), now=START)) == "forwarded"
    assert got(gateway().receive(1, put(hop_limit=0), now=START)) == "4.00"


@pytest.mark.rule("SS-086")
def test_a_loop_behind_the_gateway_is_reported_with_its_name_in_front() -> None:
    assert gateway().named(text("5.08", "edge-2 edge-1")) == text("5.08", "edge-1 edge-2 edge-1")
    assert gateway().named(text("5.08", "")) == text("5.08", "edge-1")
    assert gateway().named(text("5.03", "busy")) == text("5.03", "busy")


def test_a_long_list_of_looping_gateways_is_truncated_between_names() -> None:
    long = " ".join(["a-gateway-of-some-name"] * 100)

    names = gateway().named(text("5.08", long)).payload

    assert len(names) <= gateway_policy.MAX_NAMES_BYTES
    assert set(names.split()) == {b"edge-1", b"a-gateway-of-some-name"}


@pytest.mark.rule("SS-073")
def test_the_gateway_answers_configuration_requests() -> None:
    answer = gateway().receive(
        1, Request(method="GET", path=(".well-known", "dots", "config")), now=START
    )

    assert got(answer) == "2.05"


def test_a_client_may_request_only_its_own_addresses() -> None:
    edge = gateway()

    assert got(edge.receive(1, put("203.0.113.7/32"), now=START)) == "forwarded"
    assert edge.receive(1, put("198.51.100.7/32"), now=START) == text(
        "4.00", "198.51.100.7/32 is outside the domain of acme"
    )
    assert got(edge.receive(3, put("203.0.113.7/32"), now=START)) == "4.01"
    assert got(edge.receive(1, put(payload=b"\xff"), now=START)) == "4.00"


def test_another_clients_cuid_is_a_collision_for_put_and_unknown_for_get() -> None:
    edge = gateway()
    edge.receive(1, put("203.0.113.7/32"), now=START)

    collision = edge.receive(2, put("198.51.100.7/32"), now=START)
    seen = edge.receive(2, Request(method="GET", path=mitigate_path(CUID, 1)), now=START)
    ended = edge.receive(2, Request(method="DELETE", path=mitigate_path(CUID, 1)), now=START)

    assert collision is not None
    [report] = decode_mitigations(collision.payload)
    assert report.conflict is not None
    assert report.conflict.cause is ConflictCause.CUID_COLLISION
    assert (got(collision), got(seen), got(ended)) == ("4.09", "4.04", "2.02")
    own = edge.receive(1, Request(method="GET", path=mitigate_path(CUID, 1)), now=START)
    assert got(own) == "forwarded"


def test_after_a_restart_the_gateway_forwards_requests_about_cuids_it_does_not_know() -> None:
    for method in ("GET", "DELETE"):
        request = Request(method=method, path=mitigate_path(CUID, 1))
        assert got(gateway().receive(1, request, now=START)) == "forwarded"
    update = put(if_match=(b"",))
    assert got(gateway().receive(1, update, now=START)) == "forwarded"
    assert got(gateway().receive(1, put(if_match=(b"x",)), now=START)) == "4.12"


def test_the_gateway_remembers_a_bounded_number_of_cuids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_policy, "MAX_CUIDS", 2)
    edge = gateway()

    answers = [got(edge.receive(1, put(cuid=f"{n}"), now=START)) for n in range(3)]

    assert answers == ["forwarded", "forwarded", "5.03"]
    assert got(edge.receive(1, put(cuid="0"), now=START)) == "forwarded"


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("", {}, "one word"),
        ("edge 1", {}, "one word"),
        ("édge", {}, "one word"),
        ("edge\t1", {}, "one word"),
        ("edge-1", {"first_hop_limit": 0}, "1 to 255"),
        ("edge-1", {"first_hop_limit": 256}, "1 to 255"),
    ],
)
def test_a_gateways_name_must_fit_into_an_error_message(
    name: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Gateway(name=name, entitlements=ENTITLEMENTS, **options)

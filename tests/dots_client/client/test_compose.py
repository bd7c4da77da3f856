from __future__ import annotations

import pytest

from dots_client import EncodeError, PortRange, Scope, Targets, compose, to_json
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, in_session

LARGE = Scope(
    targets=Targets(
        target_prefix=tuple(f"203.0.113.{n}/32" for n in range(20)),
        target_fqdn=("shop.example",),
        target_uri=("https://shop.example/login",),
        target_port_range=(PortRange(lower=80), PortRange(lower=8000, upper=8080)),
        target_protocol=(6, 17),
    ),
    lifetime=-1,
    trigger_mitigation=False,
)


@pytest.mark.parametrize("scope", [SCOPE, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("mid", [1, 4294967295])
async def test_the_composed_request_is_the_one_that_is_sent(scope: Scope, mid: int) -> None:
    composed = compose(scope, cuid=CUID, mid=mid)

    async with in_session(Authority()) as scene:
        await scene.client.request(mid, scope)
        sent = next(one for one in scene.wire if one.direction == "sent" and "mid=" in one.path)

    assert (composed.path, composed.payload, composed.size) == (sent.path, sent.payload, sent.size)
    assert composed.body == to_json(sent.payload)


def test_a_forbidden_request_is_not_composed() -> None:
    with pytest.raises(EncodeError):
        compose(Scope(targets=Targets(), lifetime=3600), cuid=CUID, mid=1)

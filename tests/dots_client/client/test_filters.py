"""Filter control (RFC 9133) for a client."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiocoap import Code

from dots_client import ActivationType, FilterControl, FiltersFailed, MitigationReport
from dots_client.codec import decode_request, encode_reports
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE, answer, in_session

SWITCH = FilterControl(acl_name="partners", activation_type=ActivationType.DEACTIVATE)
FILTERED = replace(SCOPE, acl_list=(SWITCH,))


async def test_a_filter_that_could_not_be_switched_is_named_with_the_retry_time(
    authority: Authority,
) -> None:
    failed = encode_reports([MitigationReport(mid=2, acl_list=(SWITCH,))])
    async with in_session(authority) as scene:
        scene.provider.script.append(
            answer(Code.SERVICE_UNAVAILABLE, failed, content_format=271, max_age=60)
        )

        with pytest.raises(FiltersFailed, match="could not switch partners") as refusal:
            await scene.client.request(2, FILTERED)
        granted = await scene.client.request(3, SCOPE)

        assert (refusal.value.acl_list, refusal.value.retry_after_s) == ((SWITCH,), 60)
        assert granted.lifetime == 3600
        first, second = (decode_request(request.payload) for request in scene.provider.requests)
        assert (first.acl_list, second.acl_list) == ((SWITCH,), ())


@pytest.mark.parametrize("code", [Code.CREATED, Code.CHANGED])
async def test_a_switch_may_be_answered_as_new_or_as_a_change(
    authority: Authority, code: Code
) -> None:
    async with in_session(authority) as scene:
        scene.provider.script.append(
            answer(code, encode_reports([MitigationReport(mid=2, lifetime=60)]))
        )

        assert (await scene.client.request(2, FILTERED)).lifetime == 60

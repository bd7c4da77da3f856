from __future__ import annotations

import pytest

from dots_client.session import UdpProbe


@pytest.mark.rule("SC-111")
def test_udp_is_probed_once_a_day_and_at_most_every_five_minutes() -> None:
    assert UdpProbe(now=0.0).next_timer() == 86400
    eager = UdpProbe(now=0.0, interval_s=1)
    assert eager.next_timer() == 300

    eager.probed(now=300)

    assert eager.next_timer() == 600

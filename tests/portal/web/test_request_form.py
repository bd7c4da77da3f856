from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portal.core.targets import PortRange
from portal.mitigations.models import Strategy
from portal.mitigations.validation import INDEFINITE, Submission
from portal.web.requests.request_form import RequestForm

PORTS = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
    lambda pair: PortRange(min(pair), max(pair))
)


@given(
    st.builds(
        Submission,
        prefixes=st.lists(st.sampled_from(["203.0.113.7/32", "2001:db8::/48"]), unique=True).map(
            tuple
        ),
        fqdns=st.lists(st.sampled_from(["shop.example", "xn--9ca.example"]), unique=True).map(
            tuple
        ),
        uris=st.lists(st.just("https://shop.example/a?b=1"), max_size=1).map(tuple),
        resources=st.lists(st.uuids(), max_size=3).map(tuple),
        ports=st.lists(PORTS, max_size=4).map(tuple),
        protocols=st.lists(st.integers(0, 255), max_size=4).map(tuple),
        lifetime_s=st.integers(30, 2**32 - 1) | st.just(INDEFINITE),
        auto_renew=st.booleans(),
        strategy=st.sampled_from(Strategy.values),
        subscriptions=st.just(()),
        reason=st.text(max_size=20),
    )
)
def test_a_form_filled_from_a_submission_submits_the_same(submission: Submission) -> None:
    assert RequestForm.filled(submission).submission() == (submission, [])

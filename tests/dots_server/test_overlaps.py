from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dots_client import Scope, Targets
from dots_server.mitigation import Mitigation
from dots_server.overlaps import Overlaps
from dots_server.targets import shared
from dots_server.terms import Terms

PREFIXES = (
    *("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.2.0/24", "10.1.2.3/32"),
    *("10.1.2.255/32", "10.1.3.0/24", "::/0", "2001:db8::/32", "2001:db8::/48", "2001:db8::1/128"),
    *("2001:db8:0:ffff::/64", "2001:db9::/32"),
)
TARGETS = st.builds(
    Targets,
    target_prefix=st.lists(st.sampled_from(PREFIXES), max_size=3).map(tuple),
    target_fqdn=st.lists(st.sampled_from(["a.example", "A.example.", "b.example"]), max_size=2).map(
        tuple
    ),
    target_uri=st.lists(st.sampled_from(["https://a.example/", "https://b"]), max_size=2).map(
        tuple
    ),
    alias_name=st.lists(st.sampled_from(["web", "mail"]), max_size=1).map(tuple),
)


def held(mid: int, targets: Targets) -> Mitigation:
    return Mitigation.requested(
        client="acme",
        cuid="c",
        mid=mid,
        scope=Scope(targets=targets),
        now=0.0,
        terms=Terms(),
        on_status=lambda _mitigation, _now: None,
    )


@given(
    kept=st.lists(TARGETS, max_size=6),
    removed=st.lists(TARGETS, max_size=6),
    wanted=TARGETS,
)
def test_the_index_finds_the_same_overlaps_as_a_full_scan(
    kept: list[Targets], removed: list[Targets], wanted: Targets
) -> None:
    index = Overlaps()
    gone = [held(-1, targets) for targets in removed]
    mitigations = [held(mid, targets) for mid, targets in enumerate(kept)]
    for mitigation in (*gone, *mitigations):
        index.add(mitigation)
    for mitigation in gone:
        index.remove(mitigation)

    found = [mitigation.mid for mitigation in index.find(wanted)]

    assert found == [mid for mid, targets in enumerate(kept) if shared(wanted, targets) is not None]

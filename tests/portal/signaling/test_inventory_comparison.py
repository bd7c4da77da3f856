"""Which mitigations at a server are ours, and whether a refused mid is in use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client import MitigationReport, MitigationStatus, PortRange, Targets
from portal.core import targets
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind
from portal.mitigations.states import TERMINAL, Status
from portal.signaling.inventory.inventory_comparison import (
    ENDED_RECENTLY,
    InventoryAnswer,
    is_in_use,
    is_ours,
    is_same_scope,
    next_mid_after,
)

NOW = datetime(2026, 11, 28, 3, 12, tzinfo=UTC)
SHOP = ("203.0.113.0/26",)
OTHER = ("203.0.113.64/26",)
PAY = "https://shop.example.com/Pay"


def row(mid: int = 4, **fields: Any) -> Mitigation:
    """Sent for the shop and not answered yet."""
    fields = {"status": Status.PENDING, "sent_at": NOW, "lifetime_s": 3600, **fields}
    ports, kind = fields.pop("ports", ()), fields.pop("kind", RequestKind.IMMEDIATE)
    scope = targets.Targets.saved(**{"prefixes": SHOP, **fields.pop("scope", {})})
    request = MitigationRequest(kind=kind, ports=ports)
    return Mitigation(pk=uuid4(), mid=mid, request=request, scope=scope, **fields)


def report(mid: int = 4, prefixes: tuple[str, ...] = SHOP, **fields: Any) -> MitigationReport:
    targets = Targets(target_prefix=prefixes, **fields.pop("targets", {}))
    fields = {"status": MitigationStatus.MITIGATING, **fields}
    return MitigationReport(mid=mid, targets=targets, **fields)


UNTOLD = MitigationReport(mid=4, status=MitigationStatus.MITIGATING)


@pytest.mark.parametrize(
    ("held", "own", "is_same"),
    [
        (report(), row(), True),
        (report(prefixes=OTHER), row(), False),
        (report(prefixes=(*SHOP, *OTHER)), row(), False),
        (report(prefixes=("2001:DB8:0::/48",)), row(scope={"prefixes": ["2001:db8::/48"]}), True),
        (report(prefixes=("203.0.113.63/26",)), row(), True),
        (report(prefixes=("nonsense",)), row(), False),
        (
            report(prefixes=(), targets={"target_fqdn": ("Shop.Example.com.",)}),
            row(scope={"prefixes": [], "fqdns": ["shop.example.com"]}),
            True,
        ),
        *(
            (
                report(prefixes=(), targets={"target_uri": (uri,)}),
                row(scope={"prefixes": [], "uris": [PAY]}),
                is_same,
            )
            for uri, is_same in (
                (PAY, True),
                ("HTTPS://Shop.Example.COM/Pay", True),
                ("https://shop.example.com:443/Pay", True),
                ("https://shop.example.com./Pay", True),
                ("https://shop.example.com/pay", False),
                ("https://shop.example.com:8443/Pay", False),
                ("http://shop.example.com/Pay", False),
                ("https://shop.example.com", False),
                ("nonsense", False),
            )
        ),
        (
            report(prefixes=(), targets={"target_uri": ("https://[2001:DB8:0::1]",)}),
            row(scope={"prefixes": [], "uris": ["https://[2001:db8::1]/"]}),
            True,
        ),
        (report(targets={"alias_name": ("web",)}), row(), False),
        (
            report(targets={"target_port_range": (PortRange(lower=443, upper=443),)}),
            row(ports=(targets.PortRange(443, 443),)),
            True,
        ),
        (report(targets={"target_port_range": (PortRange(lower=443),)}), row(), False),
        (report(targets={"target_protocol": (6,)}), row(), False),
        (report(trigger_mitigation=False), row(), False),
        (report(trigger_mitigation=False), row(kind=RequestKind.STANDBY), True),
        (UNTOLD, row(), None),
    ],
)  # fmt: skip
def test_scopes_compare_equal_however_they_are_written(
    held: MitigationReport, own: Mitigation, *, is_same: bool | None
) -> None:
    assert is_same_scope(held, own) is is_same


ENDED: dict[str, Any] = {"status": Status.TERMINATED, "confirmed_at": NOW - timedelta(hours=2)}
LONG_AGO = NOW - ENDED_RECENTLY
JUST_NOW = NOW - timedelta(seconds=20)


@pytest.mark.parametrize(
    ("held", "own", "expected"),
    [
        pytest.param(report(), None, False, id="no row has the mid"),
        pytest.param(report(), row(), True, id="asked, not answered, and held as asked"),
        pytest.param(report(prefixes=OTHER), row(), False, id="the server holds another"),
        pytest.param(UNTOLD, row(), True, id="no scope reported"),
        pytest.param(UNTOLD, row(sent_at=None), False, id="never asked"),
        pytest.param(report(), row(sent_at=None), True, id="asked before the backup was restored"),
        pytest.param(
            report(prefixes=OTHER), row(status=Status.MITIGATING, confirmed_at=NOW), True,
            id="confirmed, whatever the server calls it",
        ),
        pytest.param(
            report(), row(status=Status.TERMINATING, confirmed_at=NOW), True, id="being withdrawn"
        ),
        pytest.param(report(), row(**ENDED, ended_at=JUST_NOW), True, id="ended just now"),
        pytest.param(report(), row(**ENDED, ended_at=LONG_AGO), False, id="ended long ago"),
        pytest.param(
            report(status=MitigationStatus.TERMINATING), row(**ENDED, ended_at=LONG_AGO), True,
            id="ended, and winding down",
        ),
        pytest.param(
            report(), row(status=Status.TERMINATED, sent_at=None, ended_at=JUST_NOW), False,
            id="ended before anything left",
        ),
    ],
)  # fmt: skip
def test_a_row_matches_only_the_mitigation_it_requested(
    held: MitigationReport, own: Mitigation | None, *, expected: bool
) -> None:
    assert is_ours(held, own, NOW) is expected


def inventory_answer(
    *reports: MitigationReport, absent: tuple[int, ...] = (), refusal: str = ""
) -> InventoryAnswer:
    held = {one.mid: one for one in reports if one.mid is not None}
    return InventoryAnswer(held=held, absent=frozenset(absent), refusal=refusal)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        pytest.param(inventory_answer(report(prefixes=OTHER)), True, id="another scope"),
        pytest.param(inventory_answer(UNTOLD), True, id="held, refused, no scope reported"),
        pytest.param(inventory_answer(report()), False, id="ours"),
        pytest.param(inventory_answer(absent=(4,)), False, id="not held"),
        pytest.param(
            inventory_answer(report(9, OTHER), absent=(4,)), False, id="something else is held"
        ),
        pytest.param(inventory_answer(refusal="4.05"), None, id="list refused"),
        pytest.param(
            inventory_answer(absent=(4,), refusal="4.05"), False, id="only the single GET answered"
        ),
    ],
)
def test_a_mid_is_in_use_if_another_mitigation_is_held_under_it(
    what: InventoryAnswer, *, expected: bool | None
) -> None:
    assert is_in_use(row(), what, NOW) is expected


LIVE = row(9, status=Status.MITIGATING, confirmed_at=NOW)


@pytest.mark.parametrize(
    ("winner", "winner_row", "what", "expected"),
    [
        pytest.param(9, None, inventory_answer(report(9)), True, id="higher, and unknown here"),
        pytest.param(
            9, None, inventory_answer(refusal="4.05"), True, id="known only from the conflict"
        ),
        pytest.param(9, LIVE, inventory_answer(report(9)), False, id="our own newer request"),
        pytest.param(
            9, LIVE, inventory_answer(refusal="4.05"), False, id="the same, without a list"
        ),
        pytest.param(
            9,
            row(9, **ENDED, ended_at=LONG_AGO),
            inventory_answer(report(9)),
            True,
            id="ended here long ago",
        ),
        pytest.param(
            9, row(9, sent_at=None), inventory_answer(report(9, OTHER)), True, id="mid reassigned"
        ),
        pytest.param(
            3, None, inventory_answer(report(3)), False, id="lower: a higher mid would not help"
        ),
        pytest.param(
            2**32 - 1, None, inventory_answer(), False, id="beyond what the counter follows"
        ),
    ],
)
def test_a_conflict_with_an_unknown_higher_mid_means_that_the_mid_is_in_use(
    winner: int, winner_row: Mitigation | None, what: InventoryAnswer, *, expected: bool
) -> None:
    verdict = is_in_use(row(), what, NOW, winner=winner, winner_row=winner_row)

    assert verdict is expected


MIDS = st.integers(min_value=0, max_value=2**32 - 1)


@given(st.lists(MIDS))
def test_the_counter_ends_above_every_mid_it_follows_and_far_from_the_roll_over(
    mids: list[int],
) -> None:
    following = next_mid_after(*mids)

    assert all(mid < following for mid in mids if mid < 2**31)
    assert following <= 2**31


@given(
    status=st.sampled_from(MitigationStatus),
    own=st.sampled_from(Status),
    is_confirmed=st.booleans(),
)
def test_a_live_confirmed_mitigation_is_never_unknown(
    status: MitigationStatus, own: Status, *, is_confirmed: bool
) -> None:
    confirmed_at = NOW if is_confirmed else None
    ended_at = NOW if own in TERMINAL else None
    mine = row(status=own, confirmed_at=confirmed_at, ended_at=ended_at)

    assert is_ours(report(status=status), mine, NOW)

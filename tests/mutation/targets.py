"""The mutated modules, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PORTAL: Final = "tests/portal/"
CLIENT: Final = "tests/dots_client/"


@dataclass(frozen=True, slots=True)
class Target:
    """Modules that decide one thing, and the tests for them."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


TARGETS: Final = (
    Target(
        "states",
        ("portal/mitigations/states.py",),
        (f"{PORTAL}mitigations/test_states.py",),
    ),
    Target(
        "failover",
        ("portal/mitigations/failover.py", "portal/mitigations/late_acceptance.py"),
        (
            f"{PORTAL}mitigations/test_failover.py",
            f"{PORTAL}mitigations/test_ended_by.py",
            f"{PORTAL}mitigations/test_assigned_scope.py",
            f"{PORTAL}mitigations/test_late_acceptance.py",
            f"{PORTAL}mitigations/test_remaining_lifetime.py",
        ),
    ),
    Target(
        "next action",
        ("portal/signaling/actions/next_action.py",),
        (f"{PORTAL}signaling/test_next_action.py", f"{PORTAL}standby/test_still_held.py"),
    ),
    Target(
        "advance and settle",
        (
            "portal/mitigations/services/advance.py",
            "portal/mitigations/services/start_and_end.py",
            "portal/mitigations/services/transitions.py",
            "portal/mitigations/wind_down.py",
        ),
        (
            f"{PORTAL}mitigations/test_wind_down.py",
            f"{PORTAL}mitigations/test_locks.py",
            f"{PORTAL}mitigations/test_higher_mids.py",
            f"{PORTAL}mitigations/test_outcomes.py",
            f"{PORTAL}mitigations/test_refusals.py",
            f"{PORTAL}mitigations/test_late_acceptance.py",
            f"{PORTAL}mitigations/test_assigned_scope.py",
            f"{PORTAL}mitigations/test_remaining_lifetime.py",
            f"{PORTAL}mitigations/test_withdraw.py",
            f"{PORTAL}mitigations/test_loops.py",
            f"{PORTAL}standby/test_filtering_ended.py",
            f"{PORTAL}standby/test_stop_filtering.py",
        ),
    ),
    Target(
        "outcomes",
        ("portal/mitigations/services/outcomes.py",),
        (
            f"{PORTAL}mitigations/test_locks.py",
            f"{PORTAL}mitigations/test_outcomes.py",
            f"{PORTAL}mitigations/test_refusals.py",
            f"{PORTAL}mitigations/test_loops.py",
            f"{PORTAL}mitigations/test_ends.py",
            f"{PORTAL}standby/test_still_held.py",
        ),
    ),
    Target(
        "leases",
        (
            "portal/signaling/leasing/leases.py",
            "portal/signaling/leasing/lease_balancer.py",
            "portal/signaling/leasing/lease_fence.py",
            "portal/signaling/leasing/old_leases.py",
        ),
        (
            f"{PORTAL}signaling/test_leases.py",
            f"{PORTAL}signaling/test_old_leases.py",
            f"{PORTAL}signaling/test_lease_balancer.py",
            f"{PORTAL}signaling/test_lease_fence.py",
            f"{PORTAL}signaling/test_fenced_store.py",
        ),
    ),
    Target(
        "access",
        (
            "portal/organizations/access.py",
            "portal/accounts/access.py",
            "portal/mitigations/access.py",
            "portal/standby/access.py",
            "portal/inventory/access.py",
            "portal/realtime/access.py",
        ),
        (
            f"{PORTAL}test_access.py",
            f"{PORTAL}organizations/test_access.py",
            f"{PORTAL}accounts/test_access.py",
            f"{PORTAL}accounts/test_sessions.py",
            f"{PORTAL}realtime/test_access.py",
            f"{PORTAL}realtime/test_handshake.py",
        ),
    ),
    Target("session machines", ("dots_client/session",), (f"{CLIENT}session",)),
    Target(
        "codec rules",
        ("dots_client/codec/request_rules.py", "dots_client/codec/check.py"),
        (
            f"{CLIENT}codec/test_request_rules.py",
            f"{CLIENT}codec/test_filters.py",
            f"{CLIENT}codec/test_check.py",
        ),
    ),
)

"""Breaks the portal on purpose, in one way for each thing that must hold, and sees the simulation
say so: `python -m tests.simulation.mutations` (docs/simulation.md).

A check that nothing can make fail proves nothing. The exit code is 0 if each mutation was noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from uuid import UUID

from tests.simulation.scenario import Fault, Scenario, Tenant, Wish, Word

if TYPE_CHECKING:
    from portal.signaling.store.grouped_writes import Recorded

CALM: Final = Scenario(
    seed=1,
    tenants=(Tenant("acme", patience_s=2, late_acceptance="keep"),),
    providers=("northgate", "tidewall"),
    lasting={"northgate": {}, "tidewall": {}},
    useless="",
    wishes=(
        Wish("acme", 1.0, "failover", 3600, auto_renew=True),
        Wish("acme", 2.0, "failover", 3600, auto_renew=True),
    ),
    words=(Word("extend", 0, 6.0, lifetime_s=1800),),
    faults=(),
    web_ahead_s=0.0,
    settled_within_s=15.0,
)
"""Nothing goes wrong but the mutation."""


def _with(*faults: Fault) -> Scenario:
    return replace(CALM, faults=faults)


FORGETS: Final = _with(Fault("forget", "northgate", 8.0, 8.1))
PAUSES: Final = _with(
    Fault(
        "behave",
        "northgate",
        0.5,
        4.0,
        changes={"accept": "refuse", "refuse_code": "4.29", "retry_after_s": 3},
    )
)
WITHOUT_DATABASE: Final = _with(Fault("cut-off", "signal-1", 4.0, 6.0))
CHANGES_OWNER: Final = replace(CALM, seed=6)
"""With this seed the other worker claims the subscription just when something is sent, and just
when an answer arrives.
"""
SILENT: Final = replace(CALM, lasting={"northgate": {"accept": "silent"}, "tidewall": {}})


@dataclass(frozen=True, slots=True)
class Mutation:
    """`patches`: what to replace, as `owner`, `name` and the replacement; called after Django is
    set up. `says`: part of the violation.
    """

    name: str
    says: str
    patches: Callable[[], list[tuple[Any, str, Any]]]
    scenario: Scenario = CALM

    @contextmanager
    def applied(self) -> Iterator[None]:
        with ExitStack() as stack:
            for owner, name, value in self.patches():
                stack.enter_context(patch.object(owner, name, value))
            yield


def _declare_live_workers_dead() -> list[tuple[Any, str, Any]]:
    from portal.signaling.leasing.lease_balancer import LeaseBalancer

    return [(LeaseBalancer, "dead", lambda _, others, *, at: list(others))]


def _send_before_writing() -> list[tuple[Any, str, Any]]:
    from portal.signaling.store.fenced_store import FencedStore
    from portal.signaling.store.grouped_writes import Recorded

    async def record_sending(*_: object) -> Recorded:
        return Recorded()

    return [(FencedStore, "record_sending", record_sending)]


def _send_other_mids(other: Callable[[int], int]) -> list[tuple[Any, str, Any]]:
    from dots_client import Client

    original = Client.request

    async def request(self: Client, mid: int, *arguments: Any, **options: Any) -> Any:
        return await original(self, other(mid), *arguments, **options)

    return [(Client, "request", request)]


def _change_targets() -> list[tuple[Any, str, Any]]:
    from dots_client import Client, Scope, Targets

    original = Client.request
    asked: set[tuple[str, int]] = set()

    async def request(self: Client, mid: int, scope: Scope, **options: Any) -> Any:
        if (self.cuid, mid) in asked:
            scope = replace(scope, targets=Targets(target_prefix=("203.0.113.99/32",)))
        asked.add((self.cuid, mid))
        return await original(self, mid, scope, **options)

    return [(Client, "request", request)]


def _keep_repeats() -> list[tuple[Any, str, Any]]:
    from dots_client import Client

    original = Client.request
    answers: dict[tuple[str, int], Any] = {}

    async def request(self: Client, mid: int, *arguments: Any, **options: Any) -> Any:
        """The first answer again, without sending anything."""
        key = self.cuid, mid
        if key not in answers:
            answers[key] = await original(self, mid, *arguments, **options)
        return answers[key]

    return [(Client, "request", request)]


def _keep_deletes() -> list[tuple[Any, str, Any]]:
    from dots_client import Client

    async def withdraw(*_: object, **__: object) -> None:
        """Nothing is sent."""

    return [(Client, "withdraw", withdraw)]


def _change_reports(change: Callable[[dict[str, Any]], None]) -> list[tuple[Any, str, Any]]:
    from portal.mitigations.services import numbers, reports
    from portal.signaling import owned_mitigations

    original = reports.columns_of

    def columns_of(*arguments: Any, **options: Any) -> Any:
        columns: Any = original(*arguments, **options)
        change(columns)
        return columns

    return [(module, "columns_of", columns_of) for module in (numbers, owned_mitigations, reports)]


def _drop(*names: str) -> Callable[[], list[tuple[Any, str, Any]]]:
    def change(columns: dict[str, Any]) -> None:
        for name in names:
            columns.pop(name, None)

    return lambda: _change_reports(change)


def _repeat_old_amounts() -> list[tuple[Any, str, Any]]:
    seen: list[int] = []

    def change(columns: dict[str, Any]) -> None:
        if (amount := columns.get("bytes_dropped")) is not None:
            seen.append(amount)
            if len(seen) % 3 == 0:
                columns["bytes_dropped"] = seen[0]

    return _change_reports(change)


def _never_extended() -> list[tuple[Any, str, Any]]:
    from portal.mitigations.models import Mitigation

    return [(Mitigation, "is_extended", False)]


def _service(name: str, replacement: Any) -> Callable[[], list[tuple[Any, str, Any]]]:
    def patches() -> list[tuple[Any, str, Any]]:
        from portal.mitigations import services

        return [(services, name, replacement)]

    return patches


def _refuse_instead_of_pause() -> list[tuple[Any, str, Any]]:
    from portal.mitigations import services

    def record_unavailable(*, retry_at: object, **options: Any) -> Any:
        return services.record_refused(**options)

    return [(services, "record_unavailable", record_unavailable)]


def _outages_are_defects() -> list[tuple[Any, str, Any]]:
    from portal.signaling import signal_agent

    return [(signal_agent, "is_away", lambda _: False)]


def _skip_numbers() -> list[tuple[Any, str, Any]]:
    from portal.events import log

    original = log._next_seq

    def next_seq(organization_id: Any) -> int:
        original(organization_id)
        return original(organization_id)

    return [(log, "_next_seq", next_seq)]


def _unfenced() -> list[tuple[Any, str, Any]]:
    from portal.signaling.leasing import leases

    def still_owned(_: str, subscription_ids: Collection[UUID]) -> set[UUID]:
        return set(subscription_ids)

    return [*_declare_live_workers_dead(), (leases, "still_owned", still_owned)]


def _nothing(**_: object) -> None:
    """Does nothing."""


def _no_database(**_: object) -> None:
    from django.db import OperationalError

    raise OperationalError("never")


MUTATIONS: Final = (
    Mutation(
        "live workers are declared dead",
        "sent for acme at",
        _declare_live_workers_dead,
        CHANGES_OWNER,
    ),
    Mutation("it sends before it writes", "sent before its row said so", _send_before_writing),
    Mutation(
        "another mid leaves than the row has",
        "is accepted, and no row explains it",
        lambda: _send_other_mids(lambda mid: mid + 1000),
    ),
    Mutation("a repeated request has other targets", "means two", _change_targets, FORGETS),
    Mutation(
        "a provider is asked under another mid",
        "which no row explains",
        lambda: _send_other_mids(lambda mid: mid + 1000),
    ),
    Mutation("no DELETE is sent", "still holds mid", _keep_deletes),
    Mutation("no repeated request is sent", "is not held, its row says", _keep_repeats, FORGETS),
    Mutation(
        "no status is saved", "is MITIGATING, its row says", _drop("dots_status", "reported_at")
    ),
    Mutation("no extension is sent", "s, its row says 1800", _never_extended),
    Mutation(
        "no amount is saved", "does not show the last report", _drop("bytes_dropped", "counters_at")
    ),
    Mutation("an old amount returns", "late or never heard", _repeat_old_amounts),
    Mutation(
        "no provider is overdue", "no provider filters", _service("mark_overdue", _nothing), SILENT
    ),
    Mutation("a pause is a refusal", "a pause (4.29)", _refuse_instead_of_pause, PAUSES),
    Mutation("an outage is a defect", "logged as an error", _outages_are_defects, WITHOUT_DATABASE),
    Mutation("events skip numbers", "the events are numbered", _skip_numbers),
    Mutation("nothing is terminated", ", not over", _service("terminate", _nothing)),
    Mutation("no submission is saved", "still refused", _service("submit", _no_database)),
    Mutation("a previous owner writes", "which it did not own", _unfenced, CHANGES_OWNER),
)

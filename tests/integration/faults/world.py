"""A stack of real processes in which scenarios run one after the other."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import httpx

from local_stack.cast import BUSY_ORGANIZATIONS, Cast
from local_stack.servers import Postgres
from tests.fork_server import ForkServer
from tests.integration import backup
from tests.integration.faults.calls import Calls
from tests.integration.faults.injection import Injection, wrong_clock
from tests.integration.faults.invariants import (
    LIVE_BELOW,
    Prepared,
    RequestFacts,
    differences,
    forgotten,
    plan_differences,
)
from tests.integration.faults.scenario import CLOCKED, PROVIDERS, Scenario, Step
from tests.integration.stack import Databases, Stack, control, wait_for

HOLDS_WITHIN_S: Final = 15.0
"""After the end of the last fault."""
HELPS_WITHIN_S: Final = 3.0
"""A scenario waits no longer for help, which may not come during a fault."""
LOOK_EVERY_S: Final = 0.3
PREFIXES: Final = {"acme": "203.0.113.{}/32", "globex": "198.51.100.{}/32"}
ADDRESSES: Final = 60
FORGOTTEN_ADDRESS: Final = 0
"""Neither requests nor plans use it."""
PLAN_PREFIXES: Final = {"acme": "203.0.113.{}/32", "globex": "198.51.100.{}/32"}
PLAN_ADDRESSES: Final = range(61, 64)
"""Requests never use them."""
CALM: Final = {
    "accept": "always",
    "status_delay_s": 0.2,
    "terminating_s": 0.5,
    "attack_ends_after_s": None,
    "loss": 0.0,
    "redirect_to": None,
    "odd_report": None,
    "poll_code": None,
    "ignored_mid": None,
    "rearms_on_put": False,
    "keeps_preconfigured": False,
}
FORGETS: Final = frozenset({"crash", "forget", "kill"})
"""Faults that make a provider forget what it started."""
T = TypeVar("T")


class World(Calls):
    """The stack, and the steps of scenarios in it."""

    def __init__(self, stack: Stack, postgres: Postgres) -> None:
        super().__init__(stack)
        self.postgres = postgres
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")
        self._plan: Prepared | None = None
        self._forgotten: tuple[str, str] | None = None
        "the organization and the prefix that a restored database does not know"
        self._is_forgotten_withdrawn = False
        self._forgetful: set[str] = set()
        self._numbers = itertools.count()
        self._run_number = 0
        self._began_ns = time.time_ns()

    def close(self) -> None:
        self._starter.shutdown()
        for person in self._people.values():
            person.close()

    def run(self, scenario: Scenario) -> list[str]:
        """Invariants violated 15 s after the last fault; empty if all hold."""
        self._run_number += 1
        for provider in PROVIDERS:
            control(self.stack, provider, "/behaviour", CALM)
        injection = Injection(self.stack, self.postgres, Random(scenario.name), self._starter)
        asked: dict[str, RequestFacts] = {}
        self._plan, self._forgotten, self._is_forgotten_withdrawn = None, None, False
        self._forgetful = {victim for kind, victim in scenario.faults if kind in FORGETS}
        try:
            for step in scenario.steps:
                self._do(step, asked, injection)
        finally:
            over_at = injection.all_over()
        problems = self._until_all_holds(asked, over_at)
        for name, one in list(asked.items()):
            if not one.is_terminated:
                self._terminate(name, asked)
        if self._plan is not None and not self._plan.is_discarded:
            self._discard(self._plan)
        if self._forgotten is not None:
            self._withdraw_forgotten(self._forgotten[0])
        problems += self._until_all_holds(asked, time.monotonic())
        return list(dict.fromkeys(problems))

    # Steps

    def _do(self, step: Step, asked: dict[str, RequestFacts], injection: Injection) -> None:
        match step.words:
            case ("fault", kind, victim, "for", seconds):
                injection.begin(kind, victim, float(seconds))
            case ("pause", seconds):
                time.sleep(float(seconds))
            case ("submit", name, organization, strategy):
                self._submit(name, organization, strategy, asked)
            case ("wait", name):
                self._wait(asked[name])
            case ("terminate", name):
                self._terminate(name, asked)
            case ("extend", name):
                self._act(asked[name], "extend", {"lifetime": 7200})
            case ("efficacy", name):
                self._act(asked[name], "efficacy", {"attack_status": "under-attack"})
            case ("restore", organization):
                self._restore(organization)
            case ("prepare", _name, organization):
                self._plan = self._prepare(organization)
            case ("lose", provider, organization):
                assert self._plan is not None, "a plan is lost after it was prepared"
                self._plan = self._lose(self._plan, provider, organization)
            case ("discard", _name):
                assert self._plan is not None, "a plan is discarded after it was prepared"
                self._discard(self._plan)
            case _:
                raise ValueError(f"no such step: {step}")

    def _submit(
        self, name: str, organization: str, strategy: str, asked: dict[str, RequestFacts]
    ) -> None:
        number = next(self._numbers) % ADDRESSES + 1
        prefix = PREFIXES[organization].format(number)
        label = f"run {self._run_number} {name}"
        body = {
            "targets": {"prefixes": [prefix]},
            "strategy": strategy,
            "lifetime": 3600,
            "reason": label,
        }
        key = {"Idempotency-Key": f"{label} of {self._began_ns}"}
        subscriptions = self._patiently(
            lambda: self._people[organization].call(
                "GET", f"{self._path(organization)}subscriptions"
            )
        )["results"]
        request = self._patiently(
            lambda: self._people[organization].call(
                "POST", self._requests(organization), json=body, headers=key
            )
        )
        asked[name] = RequestFacts(
            name=f"{organization} {request['id']}",
            label=label,
            prefix=prefix,
            subscriptions=tuple(one["id"] for one in subscriptions),
            strategy=strategy,
            is_terminated=False,
        )

    def _terminate(self, name: str, asked: dict[str, RequestFacts]) -> None:
        self._act(asked[name], "terminate", {})
        asked[name] = replace(asked[name], is_terminated=True)

    def _restore(self, organization: str) -> None:
        """Request a mitigation that the restored database does not know.

        Nothing else runs at the same time.
        """
        prefix = PREFIXES[organization].format(FORGOTTEN_ADDRESS)
        saved = self.stack.directory / "portal.dump"
        backup.dump(self.stack, saved)
        body = {"targets": {"prefixes": [prefix]}, "lifetime": 3600}
        self._patiently(
            lambda: self._people[organization].call("POST", self._requests(organization), json=body)
        )
        wait_for(lambda: any(self._held_of(prefix, organization).values()))
        backup.restore(self.stack, saved)
        self._starter.submit(backup.start, self.stack).result()
        self._forgotten = organization, prefix

    def _held_of(self, prefix: str, organization: str) -> dict[str, list[Any]]:
        return {
            provider: [
                one
                for one in control(self.stack, provider, "/state")["mitigations"]
                if one["client"] == organization
                and prefix in one["scope"].get("target-prefix", ())
                and one["status"] < LIVE_BELOW
            ]
            for provider in PROVIDERS
        }

    def _withdraw_forgotten(self, organization: str) -> None:
        path = self._path(organization) + "unknown-mitigations"
        for one in self._get(organization, "unknown-mitigations")["results"]:
            # It may have ended, or the call before the connection broke withdrew it.
            call = partial(
                self._people[organization].call, "POST", f"{path}/{one['id']}/withdraw", json={}
            )
            self._patiently(call, is_ok=(404, 409))
        self._is_forgotten_withdrawn = True

    def _prepare(self, organization: str) -> Prepared:
        address = PLAN_ADDRESSES[self._run_number % len(PLAN_ADDRESSES)]
        prefix = PLAN_PREFIXES[organization].format(address)
        body = {"name": f"plan of run {self._run_number}", "targets": {"prefixes": [prefix]}}
        key = {"Idempotency-Key": f"plan of run {self._run_number} of {self._began_ns}"}
        made = self._patiently(
            lambda: self._people[organization].call(
                "POST", self._plans(organization), json=body, headers=key
            )
        )
        return Prepared(plan_id=made["id"], organization=organization, prefix=prefix)

    def _lose(self, plan: Prepared, provider: str, organization: str) -> Prepared:
        """Its state right afterwards shows whether it held the plan then, and so starts it."""
        with suppress(httpx.HTTPError):  # it may be down because of a fault
            control(self.stack, provider, f"/clients/{organization}/lose", {})
            state = control(self.stack, provider, "/state")
            has_started = any(
                plan.prefix in one["scope"].get("target-prefix", ()) and one["status"] < LIVE_BELOW
                for one in state["mitigations"]
                if one["client"] == organization
            )
            if has_started and provider not in self._forgetful:
                return replace(plan, started_at=plan.started_at | {provider})
        return plan

    def _discard(self, plan: Prepared) -> None:
        path = f"{self._plans(plan.organization)}/{plan.plan_id}"
        # After a broken connection, a repeated call may find it gone.
        self._patiently(lambda: self._people[plan.organization].call("DELETE", path), is_ok=(404,))
        self._plan = replace(plan, is_discarded=True)

    def _act(self, asked: RequestFacts, verb: str, body: dict[str, Any]) -> None:
        organization, request_id = asked.name.split()
        path = f"{self._requests(organization)}/{request_id}/{verb}"
        # A conflict is an answer: no provider has confirmed yet, or another call ended it.
        self._patiently(
            lambda: self._people[organization].call("POST", path, json=body), is_ok=(409,)
        )

    def _wait(self, asked: RequestFacts) -> None:
        organization, request_id = asked.name.split()
        deadline = time.monotonic() + HELPS_WITHIN_S
        while time.monotonic() < deadline:
            shown = self._patiently(
                lambda: self._people[organization].call(
                    "GET", f"{self._requests(organization)}/{request_id}"
                )
            )
            if shown["status"] == "mitigating":
                return
            time.sleep(LOOK_EVERY_S)

    # What must hold

    def _until_all_holds(self, asked: dict[str, RequestFacts], over_at: float) -> list[str]:
        deadline = over_at + HOLDS_WITHIN_S
        while True:
            problems = self._problems(asked)
            if not problems or time.monotonic() > deadline:
                return problems
            time.sleep(LOOK_EVERY_S)

    def _problems(self, asked: dict[str, RequestFacts]) -> list[str]:
        states = {provider: control(self.stack, provider, "/state") for provider in PROVIDERS}
        problems: list[str] = []
        for one in asked.values():
            organization, _ = one.name.split()
            listed = self._get(organization, "subscriptions")["results"]
            found = self._found(organization, one.label)
            held = {
                subscription["id"]: [
                    held
                    for held in states[_key(subscription)]["mitigations"]
                    if held["client"] == organization
                ]
                for subscription in listed
            }
            problems += differences(one, found, held)
        if self._plan is not None:
            problems += self._problems_of(self._plan, states)
        if self._forgotten is not None:
            problems += self._problems_of_forgotten(*self._forgotten)
        return problems + self._gaps()

    def _problems_of_forgotten(self, organization: str, prefix: str) -> list[str]:
        unknown = self._get(organization, "unknown-mitigations")["results"]
        problems = []
        for provider, held in self._held_of(prefix, organization).items():
            if held and self._is_forgotten_withdrawn:
                problems.append(f"{provider} still holds {prefix} after it was withdrawn")
            else:
                problems += forgotten(prefix, held, unknown)
        return problems

    def _problems_of(self, plan: Prepared, states: dict[str, Any]) -> list[str]:
        shown = (
            None
            if plan.is_discarded
            else self._get(plan.organization, f"standby-plans/{plan.plan_id}")
        )
        held = {
            provider: [one for one in state["mitigations"] if one["client"] == plan.organization]
            for provider, state in states.items()
        }
        return plan_differences(plan, shown, held)


def _key(subscription: dict[str, Any]) -> str:
    return str(subscription["provider"]["name"]).split()[0].lower()


@contextmanager
def world(directory: Path | None = None) -> Iterator[World]:
    """With its own PostgreSQL, since that is killed, too."""
    with tempfile.TemporaryDirectory(prefix="portal-faults-") as made:
        where = directory or Path(made)
        databases, fork_server = Databases(""), ForkServer()
        try:
            assert databases.own is not None
            stack = Stack(
                where,
                database_url=databases.make_with_tables("portal_faults"),
                cast=Cast(organizations=BUSY_ORGANIZATIONS),
                signal_workers=2,
                environments={name: wrong_clock(where, name) for name in CLOCKED},
                start_program=fork_server.start,
            )
            with stack:
                opened = World(stack, databases.own)
                try:
                    wait_for(lambda: _sessions(stack) == 4)
                    yield opened
                finally:
                    opened.close()
        finally:
            fork_server.close()
            databases.close()


def _sessions(stack: Stack) -> int:
    return sum(len(control(stack, provider, "/state")["sessions"]) for provider in PROVIDERS)

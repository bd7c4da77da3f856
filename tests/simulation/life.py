"""One life: a scenario runs against the portal's own code, and what must hold is checked."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final, TypeVar
from uuid import UUID

import aiocoap
from channels.layers import get_channel_layer
from django.db import Error

from dots_client.server import decode_request
from dots_server.messages import Request, Response
from dots_server.targets import Entitlement
from portal.accounts.actors import Actor
from portal.core.broadcast import broadcast_from
from portal.core.errors import PortalError
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.validation import Submission
from provider_simulator.behaviour import Behaviour
from tests.simulation import invariants
from tests.simulation.database import (
    DatabaseFaults,
    share_connection,
)
from tests.simulation.link import Server, SimulatedTransport
from tests.simulation.network import Kind, Network
from tests.simulation.provider import SimulatedProvider
from tests.simulation.reports import Reports
from tests.simulation.rows import Rows, make_rows
from tests.simulation.scenario import (
    NETWORKS,
    USELESS_BEHAVIOURS,
    WORKERS,
    Fault,
    Scenario,
    Word,
)
from tests.simulation.virtual_loop import VirtualLoop, current_process
from tests.simulation.wakeups import WakeupLayer
from tests.simulation.worker import Worker
from tests.simulation.writers import foreign_writes

LOOK_EVERY_S: Final = 3.0
RETRY_S: Final = 1.0
BASELINE: Final = Behaviour(status_delay_s=1.0, terminating_s=2.0, notify_interval_s=15.0)

T = TypeVar("T")


class Life:
    def __init__(self, scenario: Scenario, loop: VirtualLoop) -> None:
        self.scenario = scenario
        self.loop = loop
        self.trace: list[str] = []
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        "of what went wrong, and of datagrams"
        self.reports = Reports()
        self.accepted: dict[tuple[str, int], bytes] = {}
        "the targets of the first PUT for each client and mid"
        self._chance = Random(f"life {scenario.seed}")
        self.database = DatabaseFaults(Random(f"database {scenario.seed}"), counts=self.counts)
        self.requests: dict[int, UUID] = {}
        self._lost_wakeups = 0.0
        self._ahead_s = 0.0
        self.asked: dict[tuple[str, int], int | None] = {}
        "the lifetime of the last PUT that each provider accepted, by client and mid"

    # What the simulated world asks and tells

    def ahead(self) -> float:
        """How far the wall clock of the running process is ahead of the database's."""
        process = current_process()
        return self._ahead_s if process is None else process.ahead_s

    def log(self, text: str) -> None:
        self.trace.append(f"{self.loop.time():10.4f} {text}")

    def violated(self, text: str) -> None:
        self.violations.append(text)
        self.log(f"VIOLATED {text}")

    @contextmanager
    def watching_the_log(self) -> Iterator[None]:
        """A line of level ERROR is a defect: the faults of a life are all expected ones."""
        handler = _Watching(self.violated)
        root = logging.getLogger()
        root.addHandler(handler)
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.CRITICAL)
            root.removeHandler(handler)

    def _sent(self, client: str, kind: Kind) -> None:
        """No two workers send for one subscription: the sender is the owner in the database."""
        process = current_process()
        assert process is not None
        if kind is Kind.BYE:
            return
        owner = invariants.owner_of(client)
        if owner != process.name:
            self.violated(f"{process.name} sent for {client}, which {owner or 'nobody'} owns")

    def _received(self, client: str, message: aiocoap.Message) -> None:
        if message.code.is_successful() and message.payload:
            self.reports.arrived(client, message.payload, at=self.loop.time())

    def _answered(
        self, provider: SimulatedProvider, client: str, request: Request, response: Response | None
    ) -> None:
        if request.path[2:3] != ("mitigate",):
            return
        code = "silence" if response is None else response.code
        path = "/".join(part.split("=")[-1] for part in request.path[3:])
        self.log(f"{provider.name} {request.method} {path} {code}")
        if request.method != "PUT":
            return
        mid = int(request.path[4].partition("=")[2])
        is_success = response is not None and response.is_success
        if is_success:
            self.asked[client, mid] = decode_request(request.payload).lifetime
        for violation in invariants.explained(
            self.accepted, client, mid, request.payload, is_success=is_success
        ):
            self.violated(violation)

    # The life

    async def run(self) -> None:
        scenario = self.scenario
        share_connection()
        broadcast_from(self.loop)
        layer = get_channel_layer()
        assert isinstance(layer, WakeupLayer)
        layer.forget()
        layer.loses = lambda: self._chance.random() < self._lost_wakeups
        self.network = Network(Random(f"network {scenario.seed}"), log=self.log, counts=self.counts)
        self.rows: Rows = make_rows(scenario)
        self.providers = {
            name: SimulatedProvider(
                name,
                entitlements={
                    client: Entitlement.of([f"{NETWORKS[tenant]}.0/24"])
                    for client, tenant in self.rows.clients_of(name).items()
                },
                chance=Random(f"{name} {scenario.seed}"),
                behaviour=replace(BASELINE, **scenario.lasting[name]),
                on_request=self._answered,
            )
            for name in scenario.providers
        }
        self._lasting = {name: {**changes} for name, changes in scenario.lasting.items()}
        self._passing: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        if scenario.useless:
            self._lasting[scenario.useless] |= self._chance.choice(USELESS_BEHAVIOURS)
            self._behave(self.providers[scenario.useless])
        servers: dict[str, Server] = {
            self.rows.hosts[name]: provider for name, provider in self.providers.items()
        }
        self.transport = SimulatedTransport(
            self.network, servers, on_sent=self._sent, on_received=self._received
        )
        self.workers = {name: Worker(self, name) for name in WORKERS}
        for worker in self.workers.values():
            worker.start()
        tasks = [asyncio.create_task(self._suffer(fault)) for fault in scenario.faults]
        tasks += [
            asyncio.create_task(self._submit(number)) for number in range(len(scenario.wishes))
        ]
        tasks += [asyncio.create_task(self._say(word)) for word in scenario.words]
        await asyncio.gather(*tasks)
        await self._at(scenario.faults_end_at_s)
        self.log("all faults ended")
        await self._until(partial(invariants.settled, self))
        self._lasting = scenario.lasting
        for provider in self.providers.values():
            self._behave(provider)
        self.log("everything is terminated")
        for number in self.requests:
            await self._say(Word("terminate", number, self.loop.time()))
        await self._until(partial(invariants.ended, self))
        self.violations += invariants.numbered() + invariants.pauses()
        self.violations += self.reports.overtaken() + foreign_writes()
        self.trace += invariants.rows_at_the_end()
        for worker in self.workers.values():
            worker.die()

    async def _until(self, wrong: Callable[[], list[str]]) -> None:
        ends_at = self.loop.time() + self.scenario.settled_within_s
        while found := wrong():
            if self.loop.time() > ends_at:
                for one in found:
                    self.violated(one)
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _at(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds - self.loop.time()))

    # People

    async def _submit(self, number: int) -> None:
        wish = self.scenario.wishes[number]
        await self._at(wish.at)
        submission = Submission(
            prefixes=(f"{NETWORKS[wish.tenant]}.{number + 1}/32",),
            lifetime_s=wish.lifetime_s,
            auto_renew=wish.auto_renew,
            strategy=wish.strategy,
        )
        request = await self._call(
            f"submit {number}",
            partial(
                services.submit,
                organization=self.rows.organizations[wish.tenant],
                actor=self.rows.people[wish.tenant],
                submission=submission,
                key=f"key {number}",
            ),
        )
        if request is not None:
            self.requests[number] = request.pk

    async def _say(self, word: Word) -> None:
        await self._at(word.at)
        if (request_id := self.requests.get(word.about)) is None:
            return
        person = self.rows.people[self.scenario.wishes[word.about].tenant]
        match word.what:
            case "terminate":
                call: Callable[[], Any] = partial(
                    services.terminate, request_id=request_id, actor=person
                )
            case "extend":
                call = partial(
                    services.extend, request_id=request_id, actor=person, lifetime_s=word.lifetime_s
                )
            case "withdraw":
                call = partial(_withdraw_first, request_id, person)
            case _:
                call = partial(_ask_last, request_id, person)
        await self._call(f"{word.what} {word.about}", call)

    async def _call(self, what: str, call: Callable[[], T]) -> T | None:
        """Like a careful program: repeat a call that failed, with the same key."""
        while True:
            await asyncio.sleep(self.database.delay_s())
            try:
                self._ahead_s = self.scenario.web_ahead_s
                try:
                    result = self.database.call(call)
                finally:
                    self._ahead_s = 0.0
            except PortalError as error:
                self.log(f"{what}: {type(error).__name__} {error.code}")
                return None
            except Error as error:
                self.log(f"{what}: the database is away: {error}")
                patience_s = self.scenario.settled_within_s
                if self.loop.time() > self.scenario.faults_end_at_s + patience_s:
                    self.violated(f"{what}: still refused: {error}")
                    return None
                await asyncio.sleep(RETRY_S)
            else:
                self.log(f"{what}: done")
                return result

    # Faults

    async def _suffer(self, fault: Fault) -> None:
        await self._at(fault.begins_at)
        self.log(f"{fault.what} {fault.where} {fault.number or ''} {fault.changes or ''}")
        self.counts[f"faults: {fault.what}"] += 1
        match fault.what:
            case "kill" | "stop" | "restart" | "clock" | "cut-off":
                await self._suffer_worker(self.workers[fault.where], fault)
            case "crash" | "forget" | "goodbye" | "behave":
                await self._suffer_provider(self.providers[fault.where], fault)
            case _:
                await self._suffer_share(fault)
        self.log(f"end of {fault.what} {fault.where}")

    async def _suffer_worker(self, worker: Worker, fault: Fault) -> None:
        process = worker.process
        assert process is not None
        if fault.what == "kill":
            worker.kill(int(fault.number))
            await self._at(fault.ends_at)
            if worker.process is process:
                process.is_dead = True
                worker.start()
        elif fault.what == "stop":
            process.stop()
            await self._at(fault.ends_at)
            process.resume(self.loop)
        elif fault.what == "clock":
            process.ahead_s = fault.number
            await self._at(fault.ends_at)
            process.ahead_s = 0.0
        elif fault.what == "cut-off":
            process.reaches_database = False
            await self._at(fault.ends_at)
            process.reaches_database = True
        else:
            await worker.stop_in_order()
            if worker.process is process:
                worker.start()

    async def _suffer_provider(self, provider: SimulatedProvider, fault: Fault) -> None:
        match fault.what:
            case "crash":
                provider.crash()
                await self._at(min(fault.ends_at, self.loop.time() + 3.0))
                provider.is_away = False
            case "forget":
                provider.forget_mitigations()
            case "goodbye":
                provider.end_sessions()
            case _:
                passing = self._passing[provider.name]
                passing.append(fault.changes)
                self._behave(provider)
                await self._at(fault.ends_at)
                passing.remove(fault.changes)
                self._behave(provider)

    def _behave(self, provider: SimulatedProvider) -> None:
        """As it always does, and as every fault that has not ended says, the latest first."""
        changes: dict[str, Any] = {**self._lasting[provider.name]}
        for passing in self._passing[provider.name]:
            changes |= passing
        provider.behave(replace(BASELINE, **changes))

    async def _suffer_share(self, fault: Fault) -> None:
        self._set_share(fault.what, fault.number)
        await self._at(fault.ends_at)
        self._set_share(fault.what, 0.0)

    def _set_share(self, what: str, share: float) -> None:
        match what:
            case "loss":
                self.network.loss = share
            case "repeats":
                self.network.repeated = share
            case "late":
                self.network.late = share
            case "database":
                self.database.share = share
            case "hang":
                self.database.hang_share = share
            case _:
                self._lost_wakeups = share


class _Watching(logging.Handler):
    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._report(f"logged as an error: {record.getMessage()} {error!r}")


def _withdraw_first(request_id: UUID, actor: Actor) -> None:
    first = Mitigation.objects.filter(request=request_id).order_by("position", "mid").first()
    assert first is not None
    services.withdraw_provider(request_id=request_id, mitigation_id=first.pk, actor=actor)


def _ask_last(request_id: UUID, actor: Actor) -> None:
    request = MitigationRequest.objects.get(pk=request_id)
    services.ask_provider(
        request_id=request_id, subscription_id=request.subscriptions[-1], actor=actor
    )

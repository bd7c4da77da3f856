"""The resource `mitigate`: answers about mitigations, and their progress (RFC 9132 section 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from dots_client import (
    INDEFINITE,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    DecodeError,
    MitigationReport,
    MitigationStatus,
    Scope,
)
from dots_client.server import (
    Content,
    MitigatePath,
    decode_efficacy,
    decode_request,
    encode_reports,
)
from dots_server.lifecycle import RUNNING, Trigger
from dots_server.messages import Request, Response, cbor, conflict, text
from dots_server.mitigation import Mitigation
from dots_server.mitigator import Mitigator
from dots_server.policy import NewRequest, Policy
from dots_server.register import Register
from dots_server.targets import is_same_request, shared
from dots_server.terms import Terms

Status = MitigationStatus

MAX_CUIDS_PER_CLIENT: Final = 8
MAX_MITIGATIONS_PER_CLIENT: Final = 1000
MAX_STEPS: Final = len(Status)
"""Status changes of one mitigation at one time, in case a mitigator flaps between two."""

EFFICACY_UNAVAILABLE: Final = (Status.EXCEEDED_CAPABILITY, Status.WITHDRAWN)
"""In these, an efficacy update gets 5.03 (RFC 9132 section 4.4.3)."""


class MitigateResource:
    """`on_news` is called with each mitigation that its observers must be notified about."""

    def __init__(
        self,
        *,
        mitigator: Mitigator,
        policy: Policy,
        terms: Terms,
        on_news: Callable[[Mitigation], None],
    ) -> None:
        self.register = Register()
        self.terms = terms
        self._mitigator = mitigator
        self._policy = policy
        self._on_news = on_news

    # Reading and withdrawing

    def get(self, path: MitigatePath, client: str, content: Content, *, now: float) -> Response:
        """The mitigation with this mid, or all of the cuid."""
        found = self.register.of_cuid(client, path.cuid, path.mid)
        if not found:
            unknown = "no mitigation" if path.mid is None else f"mid {path.mid} is not"
            return text("4.04", f"{unknown} known")
        return cbor("2.05", encode_reports(self._report(held, content, now) for held in found))

    def delete(self, path: MitigatePath, client: str, *, now: float) -> Response:
        if path.mid is None:
            return text("4.00", "mid is missing from the path")
        held = self.register.find(client, path.cuid, path.mid)
        if held is not None:
            held.withdraw(now=now)
        return Response(code="2.02")

    def _report(self, held: Mitigation, content: Content, now: float) -> MitigationReport:
        """The report in a GET and in a notification (RFC 9132 section 4.4.2)."""
        report = MitigationReport(mid=held.mid, lifetime=held.lifetime_remaining(now))
        if content is not Content.STATUS:
            report = replace(
                report,
                targets=held.scope.targets,
                trigger_mitigation=None if held.scope.trigger_mitigation else False,
            )
        if content is not Content.CONFIGURATION:
            report = replace(report, status=held.status, conflict=held.conflict)
            if held.started_at is not None:
                counters = self._mitigator.counters(held, now=now)
                report = replace(
                    report,
                    mitigation_start=int(held.started_at),
                    bytes_dropped=counters.bytes_dropped,
                    pkts_dropped=counters.pkts_dropped,
                    bps_dropped=counters.bps_dropped,
                    pps_dropped=counters.pps_dropped,
                )
        return report

    # Requesting

    def put(
        self, request: Request, path: MitigatePath, client: str, *, now: float
    ) -> Response | None:
        """The answer to a request, refresh or efficacy update; None is silence."""
        if path.mid is None:
            return text("4.00", "mid is missing from the path")
        if self.register.owner_of(path.cuid) not in (client, None):
            # Nothing but the cause: RFC 9132 section 4.4.1.3.
            return conflict(ConflictInformation(cause=ConflictCause.CUID_COLLISION))
        held = self.register.find(client, path.cuid, path.mid)
        if held is not None and held.is_terminated:
            held = None
        if request.if_match:
            return self._efficacy(request, held, now=now)
        try:
            scope = decode_request(request.payload)
        except DecodeError as error:
            return text("4.00", str(error))
        if held is not None:
            return self._refresh(held, scope, now=now)
        wanted = NewRequest(
            client=client,
            cuid=path.cuid,
            mid=path.mid,
            scope=scope,
            is_mitigating=self.register.is_mitigating_for(client),
        )
        return self._create(wanted, now=now)

    def _efficacy(
        self, request: Request, held: Mitigation | None, *, now: float
    ) -> Response | None:
        if request.if_match != (b"",):
            return text("4.12", "If-Match must be empty")
        if held is None:
            return None
        try:
            scope = decode_efficacy(request.payload, lifetime=held.scope.lifetime)
        except DecodeError as error:
            return text("4.00", str(error))
        if held.status in EFFICACY_UNAVAILABLE:
            return text("5.03", "cannot mitigate", max_age=self.terms.retry_after_s)
        response = self._refresh(held, scope, now=now)
        if response.is_success:
            held.efficacy = scope.attack_status
        return response

    def _refresh(self, held: Mitigation, scope: Scope, *, now: float) -> Response:
        if not is_same_request(held.scope, scope):
            return text("4.00", f"mid {held.mid} has another scope; a new one needs a higher mid")
        held.grant(scope.lifetime, now=now, terms=self.terms)
        if held.status is Status.TERMINATING:
            held.resume(now=now)
        return _granted("2.04", held, now)

    def _create(self, wanted: NewRequest, *, now: float) -> Response:
        overlapping = [
            held
            for held in self.register.overlapping(wanted.scope.targets)
            if not held.is_terminated
        ]
        refusal = self._refusal(wanted, now=now) or self._conflict(wanted, overlapping, now=now)
        if refusal is not None:
            return refusal
        self.register.assign_cuid(wanted.cuid, wanted.client)
        mitigation = Mitigation.requested(
            client=wanted.client,
            cuid=wanted.cuid,
            mid=wanted.mid,
            scope=wanted.scope,
            now=now,
            terms=self.terms,
            on_status=self._entered,
        )
        own = [held for held in overlapping if held.client == wanted.client]
        self._make_room(mitigation, own, now=now)
        self._add(mitigation, now=now)
        return _granted("2.01", mitigation, now)

    def _refusal(self, wanted: NewRequest, *, now: float) -> Response | None:
        """Why the request is refused, apart from conflicts."""
        client, scope, retry_after_s = wanted.client, wanted.scope, self.terms.retry_after_s
        if scope.acl_list:
            return _filter_refusal(wanted)
        if scope.targets.alias_name:
            return text("4.00", f"alias {scope.targets.alias_name[0]} was not made by this client")
        entitlement = self._policy.entitlement(client)
        assert entitlement is not None, "the endpoint answers clients without one with 4.01"
        if (outside := entitlement.outside(scope.targets)) is not None:
            return text("4.00", f"{outside} is outside the domain of {client}")
        cuids = self.register.cuids_of(client)
        if wanted.cuid not in cuids and len(cuids) >= MAX_CUIDS_PER_CLIENT:
            return text("4.29", "too many cuids", max_age=retry_after_s)
        if len(self.register.of_client(client)) >= MAX_MITIGATIONS_PER_CLIENT:
            return text("4.29", "too many mitigations", max_age=retry_after_s)
        return self._policy.refusal(wanted, now=now)

    def _conflict(
        self, wanted: NewRequest, overlapping: list[Mitigation], *, now: float
    ) -> Response | None:
        """4.09 for targets of an own higher mid, or of an active mitigation of another client."""
        for held in overlapping:
            both = shared(wanted.scope.targets, held.scope.targets)
            if held.client != wanted.client:
                if held.is_active and wanted.scope.trigger_mitigation:
                    held.conflict = ConflictInformation(
                        status=ConflictStatus.REQUEST_ACTIVE,
                        cause=ConflictCause.OVERLAPPING_TARGETS,
                        targets=both,
                    )
                    self._on_news(held)
                    remaining = held.lifetime_remaining(now)
                    return conflict(
                        ConflictInformation(
                            status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
                            cause=ConflictCause.OVERLAPPING_TARGETS,
                            retry_timer_s=self.terms.retry_after_s
                            if remaining == INDEFINITE
                            else remaining,
                            targets=both,
                        )
                    )
            elif held.mid > wanted.mid and _is_same_type(held.scope, wanted.scope):
                return conflict(
                    ConflictInformation(
                        cause=ConflictCause.OVERLAPPING_TARGETS, targets=both, mid=held.mid
                    )
                )
        return None

    def _make_room(self, mitigation: Mitigation, own: list[Mitigation], *, now: float) -> None:
        """Remove or deactivate the client's own mitigations that overlap the new one."""
        for held in own:
            if _is_same_type(held.scope, mitigation.scope):
                if held.status is Status.TERMINATING:
                    mitigation.terminating_factor = 2 * held.terminating_factor
                self.remove(held)
            elif mitigation.scope.trigger_mitigation and held.is_active:
                held.apply(Trigger.SERVER_WITHDREW, now=now)

    # The register

    def restore(self, mitigation: Mitigation, *, now: float) -> None:
        """Add a mitigation of an earlier run."""
        self._add(replace(mitigation, on_status=self._entered), now=now)

    def remove(self, mitigation: Mitigation) -> None:
        self.register.remove(mitigation)
        self._mitigator.removed(mitigation)
        self._on_news(mitigation)

    def _add(self, mitigation: Mitigation, *, now: float) -> None:
        if (replaced := self.register.add(mitigation)) is not None:
            self._mitigator.removed(replaced)
        self._entered(mitigation, now)

    def _entered(self, mitigation: Mitigation, now: float) -> None:
        self._mitigator.entered(mitigation, now=now)
        self._on_news(mitigation)

    # Time

    def advance(self, client: str, *, now: float) -> None:
        """Let time pass for the mitigations of one client."""
        for held in self.register.of_client(client):
            for _ in range(MAX_STEPS):
                if not self._step(held, now):
                    break
            if held.is_removable(now):
                self.remove(held)

    def next_timer(self, client: str, *, now: float) -> float | None:
        """When to advance this client at the latest."""
        times: list[float | None] = []
        for held in self.register.of_client(client):
            times.append(held.next_timer(self.terms))
            if held.status in RUNNING:
                times.append(self._mitigator.next_check_at(held, now=now))
        return min((time for time in times if time is not None), default=None)

    def lose_signal(self, client: str, *, now: float) -> None:
        """No message came for too long: armed mitigations start (RFC 9132 section 4.4.1.3)."""
        own = self.register.of_client(client)
        armed = [held for held in own if held.is_armed]
        for held in armed:
            for active in own:
                if active.is_active and active.shares_targets_with(held):
                    active.apply(Trigger.SERVER_WITHDREW, now=now)
        for held in armed:
            held.apply(Trigger.SESSION_LOST, now=now)

    def _step(self, held: Mitigation, now: float) -> bool:
        """Whether the status changed; then more may be due."""
        if (trigger := held.due_trigger(now, self.terms)) is not None:
            held.apply(trigger, now=now)
            return True
        if held.status not in RUNNING:
            return False
        if (status := self._mitigator.next_status(held, now=now)) is not None:
            held.report_from_mitigator(status, now=now)
            return True
        return False


def _is_same_type(one: Scope, other: Scope) -> bool:
    return one.trigger_mitigation == other.trigger_mitigation


def _filter_refusal(wanted: NewRequest) -> Response:
    """RFC 9133 section 3.2.1. There is no data channel, and so no filter to switch."""
    if not wanted.is_mitigating:
        return text("4.00", "filters are not switched while no mitigation is active")
    return text("4.04", f"no filter {wanted.scope.acl_list[0].acl_name} is known")


def _granted(code: str, held: Mitigation, now: float) -> Response:
    report = MitigationReport(mid=held.mid, lifetime=held.lifetime_remaining(now))
    return cbor(code, encode_reports([report]))

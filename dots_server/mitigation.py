"""One mitigation the provider holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from dots_client import (
    INDEFINITE,
    AttackStatus,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    MitigationReport,
    MitigationStatus,
    Scope,
    to_json,
)
from dots_client.server import MITIGATION_SCOPE, Content, Rng, encode_request
from dots_server.lifecycle import Trigger, next_status
from dots_server.targets import shared
from provider_simulator.behaviour import MAX_TERMINATING_S, Behaviour
from provider_simulator.traffic import Traffic

Status = MitigationStatus

END_REPORTS_OF_PRECONFIGURED: Final = 4
"""Status 3 or 7 of a preconfigured request is sent four times, then 8 (RFC 9132 Table 3)."""

RETRY_MARGIN_S: Final = 45
"""A deactivated request lives for its retry-timer and this much longer (RFC 9132 section 4.4.1.3)."""

TERMINATED_LINGERS_S: Final = 3.0
"""How long status 6 can still be read, for those whose notification was lost."""

_FLOWING: Final = (Status.MITIGATING, Status.EXCEEDED_CAPABILITY)
_RUNNING: Final = (*_FLOWING, Status.IN_PROGRESS)

FLOWS_EVERY_S: Final = 1.0
"""How old the counters may be: reckoning them at every look would be most of the work."""

CALM_SHARE: Final = 0.8
"""An exceeded mitigation recovers when the attack is this much below the capability: no flapping."""


class Mitigation:
    """What a client asked for, and how it goes. Times are seconds since 1970-01-01 UTC."""

    def __init__(
        self,
        *,
        client: str,
        cuid: str,
        mid: int,
        scope: Scope,
        now: float,
        rng: Rng,
        behaviour: Behaviour,
    ) -> None:
        self.client = client
        self.cuid = cuid
        self.mid = mid
        self.scope = scope
        self.received_at = now
        self.status = Status.IN_PROGRESS if scope.trigger_mitigation else Status.SIGNAL_LOSS
        self.status_since = now
        self.conflict: ConflictInformation | None = None
        self.terminating_factor = 1
        "doubled each time the client asks again before the end"
        self.end_reports = 0
        self.is_set_by_hand = False
        self.efficacy: AttackStatus | None = None
        "how the client sees it"
        self.traffic = Traffic(now=now, rng=rng)
        self.started_at: float | None = now if scope.trigger_mitigation else None
        self._attack_at = now
        self._expires_at: float | None = None
        self.grant(scope.lifetime, now=now, behaviour=behaviour)

    # The lifetime

    def grant(self, lifetime: int, *, now: float, behaviour: Behaviour) -> None:
        """Give as much of the wanted lifetime as the provider allows."""
        if lifetime == INDEFINITE and behaviour.may_be_indefinite:
            self._expires_at = None
        elif lifetime == INDEFINITE:
            self._expires_at = now + behaviour.max_lifetime_s
        else:
            self._expires_at = now + min(lifetime, behaviour.max_lifetime_s)

    def lifetime_remaining(self, now: float) -> int:
        if self._expires_at is None:
            return INDEFINITE
        return max(0, round(self._expires_at - now))

    # What happens to it

    @property
    def is_active(self) -> bool:
        """Whether it takes part in conflicts with other requests."""
        return self.status in (*_RUNNING, Status.ATTACK_STOPPED)

    @property
    def is_gone(self) -> bool:
        return self.status is Status.TERMINATED

    @property
    def is_armed(self) -> bool:
        """Preconfigured, and waiting for the session to be lost."""
        return self.status is Status.SIGNAL_LOSS

    @property
    def is_worth_repeating(self) -> bool:
        """Whether observers hear of it periodically, and not only of changes."""
        return self.status not in (Status.SIGNAL_LOSS, Status.TERMINATED)

    def is_removable(self, now: float) -> bool:
        return self.is_gone and now >= self.status_since + TERMINATED_LINGERS_S

    def apply(self, trigger: Trigger, *, now: float) -> None:
        self._enter(next_status(self.status, trigger), now=now)

    def set_by_hand(self, status: Status, *, now: float, retry_timer_s: int | None = None) -> None:
        """An operator decides: nothing but the client and the clock of endings moves it from there.

        `retry_timer_s` makes a withdrawal one for a conflict with another client.
        """
        self.conflict = None
        if retry_timer_s is not None:
            self.conflict = ConflictInformation(
                status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
                cause=ConflictCause.OVERLAPPING_TARGETS,
                retry_timer_s=retry_timer_s,
                targets=self.scope.targets,
            )
            self._expires_at = now + retry_timer_s + RETRY_MARGIN_S
        self.is_set_by_hand = status not in (Status.IN_PROGRESS, Status.MITIGATING)
        if status in _RUNNING:
            self._attack_at = now
            self.started_at = self.started_at or now
        self._enter(status, now=now)

    def withdraw(self, *, now: float) -> None:
        """The client's DELETE."""
        if not self.is_gone:
            self.apply(Trigger.CLIENT_WITHDREW, now=now)

    def resume(self, *, now: float) -> None:
        """The client asked again while terminating: the next terminating period is twice as long."""
        self.apply(Trigger.CLIENT_ASKED_AGAIN, now=now)
        self.terminating_factor *= 2

    def shares_targets_with(self, other: Mitigation) -> bool:
        return self is not other and shared(self.scope.targets, other.scope.targets) is not None

    def lose_signal(self, *, now: float) -> None:
        """The session is lost: what was armed for this starts."""
        self.apply(Trigger.SESSION_LOST, now=now)

    def rearm(self, *, now: float) -> None:
        """Stop what the lost session started, and wait for the next loss."""
        self.apply(Trigger.CLIENT_REARMED, now=now)

    def terminating_period_s(self, behaviour: Behaviour) -> float:
        """How long this one goes on after its withdrawal (RFC 9132 section 4.4.4)."""
        return min(behaviour.terminating_s * self.terminating_factor, MAX_TERMINATING_S)

    def deactivate(self, *, now: float) -> None:
        """The server ends it."""
        self.apply(Trigger.SERVER_WITHDREW, now=now)

    def advance(self, *, now: float, behaviour: Behaviour) -> None:
        """Let time pass: traffic flows, and what is due by now happens."""
        trigger = self._due(now, behaviour)
        if trigger is not None or now - self.traffic.at >= FLOWS_EVERY_S:
            self.traffic.flow(now=now, share=self._share_taken(now, behaviour))
        while trigger is not None:
            self.apply(trigger, now=now)
            trigger = self._due(now, behaviour)

    def next_timer(self, behaviour: Behaviour) -> float | None:
        """When something is due whatever anybody does."""
        due = [self._expires_at]
        if self.status is Status.TERMINATING:
            due = [self.status_since + self.terminating_period_s(behaviour)]
        elif self.status is Status.TERMINATED:
            due = [self.status_since + TERMINATED_LINGERS_S]
        elif not self.is_set_by_hand and self.status is Status.IN_PROGRESS:
            due.append(self.status_since + behaviour.status_delay_s)
        if self._attack_can_end and behaviour.attack_ends_after_s is not None:
            due.append(self._attack_at + behaviour.attack_ends_after_s)
        return min((time for time in due if time is not None), default=None)

    def _due(self, now: float, behaviour: Behaviour) -> Trigger | None:
        is_expired = self._expires_at is not None and now >= self._expires_at
        if self.status is Status.TERMINATING:
            is_over = now >= self.status_since + self.terminating_period_s(behaviour)
            return Trigger.PERIOD_OVER if is_over else None
        if self.status is Status.TERMINATED:
            return None
        if is_expired:
            return Trigger.LIFETIME_OVER
        if self.end_reports >= END_REPORTS_OF_PRECONFIGURED:
            return Trigger.REARMED
        if self.is_set_by_hand:
            return None
        return self._due_in_the_attack(now, behaviour)

    def _due_in_the_attack(self, now: float, behaviour: Behaviour) -> Trigger | None:
        if self._attack_can_end and self._is_attack_over(now, behaviour):
            return Trigger.ATTACK_ENDED
        is_ready = now >= self.status_since + behaviour.status_delay_s
        is_too_much = self._is_too_much(now, behaviour)
        if self.status is Status.IN_PROGRESS and is_ready:
            return Trigger.CAPABILITY_EXCEEDED if is_too_much else Trigger.MITIGATOR_READY
        if self.status is Status.MITIGATING and is_too_much:
            return Trigger.CAPABILITY_EXCEEDED
        if self.status is Status.EXCEEDED_CAPABILITY and not is_too_much:
            return Trigger.CAPABILITY_SUFFICES
        return None

    @property
    def _attack_can_end(self) -> bool:
        return self.status in _RUNNING and not self.is_set_by_hand

    def _is_attack_over(self, now: float, behaviour: Behaviour) -> bool:
        lasts_s = behaviour.attack_ends_after_s
        return lasts_s is not None and now >= self._attack_at + lasts_s

    def _is_too_much(self, now: float, behaviour: Behaviour) -> bool:
        if behaviour.capability_bps is None:
            return False
        is_exceeded = self.status is Status.EXCEEDED_CAPABILITY
        limit = behaviour.capability_bps * (CALM_SHARE if is_exceeded else 1)
        return self.traffic.bytes_per_s(now) > limit

    def _share_taken(self, now: float, behaviour: Behaviour) -> float:
        if self.status not in _FLOWING:
            return 0.0
        if behaviour.capability_bps is None:
            return 1.0
        return min(1.0, behaviour.capability_bps / self.traffic.bytes_per_s(now))

    def _enter(self, status: Status, *, now: float) -> None:
        if status is Status.IN_PROGRESS:
            self._attack_at = now
            self.started_at = self.started_at or now
        if status is Status.SIGNAL_LOSS:
            self.started_at = None
            self.conflict = None
        self.end_reports = 0
        self.status = status
        self.status_since = now

    # What is said of it

    def reported(self) -> None:
        """One notification went out; the end of a preconfigured one is said a few times only."""
        is_end = self.status in (Status.ATTACK_STOPPED, Status.WITHDRAWN)
        if is_end and not self.scope.trigger_mitigation:
            self.end_reports += 1

    def report(self, *, now: float, content: Content = Content.ALL) -> MitigationReport:
        """What a GET or a notification says (RFC 9132 section 4.4.2)."""
        report = MitigationReport(mid=self.mid, lifetime=self.lifetime_remaining(now))
        if content is not Content.STATUS:
            report = replace(
                report,
                targets=self.scope.targets,
                trigger_mitigation=None if self.scope.trigger_mitigation else False,
            )
        if content is not Content.CONFIGURATION:
            report = replace(report, status=self.status, conflict=self.conflict)
            if self.started_at is not None:
                report = replace(
                    report,
                    mitigation_start=int(self.started_at),
                    bytes_dropped=self.traffic.bytes_dropped,
                    pkts_dropped=self.traffic.pkts_dropped,
                    bps_dropped=self.traffic.bps_dropped,
                    pps_dropped=self.traffic.pps_dropped,
                )
        return report

    def as_json(self, now: float) -> dict[str, Any]:
        """For the control interface, with the RFC's names for the scope."""
        body = to_json(encode_request(self.scope))
        return {
            "client": self.client,
            "cuid": self.cuid,
            "mid": self.mid,
            "scope": body[MITIGATION_SCOPE]["scope"][0],
            "status": int(self.status),
            "lifetime_remaining": self.lifetime_remaining(now),
            "received_at": self.received_at,
            "attack_status": None if self.efficacy is None else int(self.efficacy),
            "bytes_dropped": self.traffic.bytes_dropped,
            "pkts_dropped": self.traffic.pkts_dropped,
        }

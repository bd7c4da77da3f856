"""One mitigation that the server holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from dots_client import (
    INDEFINITE,
    AttackStatus,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    MitigationStatus,
    Scope,
)
from dots_server.lifecycle import ACTIVE, RUNNING, Trigger, check_mitigator, next_status
from dots_server.targets import shared
from dots_server.terms import Terms

Status = MitigationStatus

MAX_TERMINATING_S: Final = 300.0
"""RFC 9132 section 4.4.4."""
END_REPORTS_OF_PRECONFIGURED: Final = 4
"""Status 3 or 7 of a preconfigured request is sent four times, then 8 (RFC 9132 Table 3)."""
RETRY_MARGIN_S: Final = 45
"""A deactivated request outlives its retry-timer by this (RFC 9132 section 4.4.1.3)."""
TERMINATED_LINGERS_S: Final = 3.0
"""How long status 6 can still be read after a lost notification."""

OnStatus = Callable[["Mitigation", float], None]
"""Called with the mitigation and the time after each status it enters."""


def _ignore(_mitigation: Mitigation, _now: float) -> None:
    pass


@dataclass(slots=True, kw_only=True, eq=False)
class Mitigation:
    """Times are seconds since 1970-01-01 UTC."""

    client: str
    cuid: str
    mid: int
    scope: Scope
    received_at: float
    status: Status
    status_since: float
    expires_at: float | None
    "None: indefinite"
    started_at: float | None
    "None: it has not started since it was requested or rearmed"
    conflict: ConflictInformation | None = None
    terminating_factor: int = 1
    "doubled each time the client resumes it before the end"
    end_reports: int = 0
    "notifications of the end of a preconfigured mitigation"
    efficacy: AttackStatus | None = None
    "the client's last efficacy update"
    on_status: OnStatus = field(default=_ignore, repr=False)

    @classmethod
    def requested(
        cls,
        *,
        client: str,
        cuid: str,
        mid: int,
        scope: Scope,
        now: float,
        terms: Terms,
        on_status: OnStatus,
    ) -> Mitigation:
        """A new one: in progress, or armed if it should start when its session is lost."""
        return cls(
            client=client,
            cuid=cuid,
            mid=mid,
            scope=scope,
            received_at=now,
            status=Status.IN_PROGRESS if scope.trigger_mitigation else Status.SIGNAL_LOSS,
            status_since=now,
            expires_at=_expiry(scope.lifetime, now, terms),
            started_at=now if scope.trigger_mitigation else None,
            on_status=on_status,
        )

    # The lifetime

    def grant(self, lifetime: int, *, now: float, terms: Terms) -> None:
        """Grant the requested lifetime as far as the terms allow."""
        self.expires_at = _expiry(lifetime, now, terms)

    def lifetime_remaining(self, now: float) -> int:
        """Seconds, or INDEFINITE."""
        if self.expires_at is None:
            return INDEFINITE
        return max(0, round(self.expires_at - now))

    def terminating_period_s(self, terms: Terms) -> float:
        """How long filtering continues after a withdrawal (RFC 9132 section 4.4.4)."""
        return min(terms.terminating_s * self.terminating_factor, MAX_TERMINATING_S)

    # What it is

    @property
    def is_active(self) -> bool:
        """Whether it takes part in conflicts with other requests."""
        return self.status in ACTIVE

    @property
    def is_terminated(self) -> bool:
        return self.status is Status.TERMINATED

    @property
    def is_armed(self) -> bool:
        """Preconfigured, and waiting for the session to be lost."""
        return self.status is Status.SIGNAL_LOSS

    @property
    def is_worth_repeating(self) -> bool:
        """Whether observers get periodic notifications, and not only those of changes."""
        return self.status not in (Status.SIGNAL_LOSS, Status.TERMINATED)

    def is_removable(self, now: float) -> bool:
        return self.is_terminated and now >= self.status_since + TERMINATED_LINGERS_S

    def shares_targets_with(self, other: Mitigation) -> bool:
        return self is not other and shared(self.scope.targets, other.scope.targets) is not None

    # What happens to it

    def apply(self, trigger: Trigger, *, now: float) -> None:
        """LocalProtocolError when `trigger` cannot happen now."""
        self._enter(next_status(self.status, trigger), now=now)

    def report_from_mitigator(self, status: Status, *, now: float) -> None:
        """LocalProtocolError for a status that a mitigator cannot cause."""
        check_mitigator(self.status, status)
        self._enter(status, now=now)

    def impose(self, status: Status, *, now: float, retry_timer_s: int | None = None) -> None:
        """The operator sets the status, whatever it was.

        `retry_timer_s` marks a withdrawal as one for a conflict with another client.
        """
        self.conflict = None
        if retry_timer_s is not None:
            self.conflict = ConflictInformation(
                status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
                cause=ConflictCause.OVERLAPPING_TARGETS,
                retry_timer_s=retry_timer_s,
                targets=self.scope.targets,
            )
            self.expires_at = now + retry_timer_s + RETRY_MARGIN_S
        self._enter(status, now=now)

    def withdraw(self, *, now: float) -> None:
        """The client's DELETE."""
        if not self.is_terminated:
            self.apply(Trigger.CLIENT_WITHDREW, now=now)

    def resume(self, *, now: float) -> None:
        """The client requests it again while it terminates: the next period is twice as long."""
        self.apply(Trigger.CLIENT_ASKED_AGAIN, now=now)
        self.terminating_factor *= 2

    def notified(self) -> None:
        """One notification was sent. Those of the end of a preconfigured mitigation are counted."""
        is_end = self.status in (Status.ATTACK_STOPPED, Status.WITHDRAWN)
        if is_end and not self.scope.trigger_mitigation:
            self.end_reports += 1

    # Time

    def due_trigger(self, now: float, terms: Terms) -> Trigger | None:
        """The event that is due by time alone."""
        if self.status is Status.TERMINATING:
            is_over = now >= self.status_since + self.terminating_period_s(terms)
            return Trigger.PERIOD_OVER if is_over else None
        if self.status is Status.TERMINATED:
            return None
        if self.expires_at is not None and now >= self.expires_at:
            return Trigger.LIFETIME_OVER
        if self.end_reports >= END_REPORTS_OF_PRECONFIGURED:
            return Trigger.REARMED
        return None

    def next_timer(self, terms: Terms) -> float | None:
        """When such an event is due."""
        if self.status is Status.TERMINATING:
            return self.status_since + self.terminating_period_s(terms)
        if self.status is Status.TERMINATED:
            return self.status_since + TERMINATED_LINGERS_S
        return self.expires_at

    def _enter(self, status: Status, *, now: float) -> None:
        if status in RUNNING and self.started_at is None:
            self.started_at = now
        if status is Status.SIGNAL_LOSS:
            self.started_at = None
            self.conflict = None
        self.end_reports = 0
        self.status = status
        self.status_since = now
        self.on_status(self, now)


def _expiry(lifetime: int, now: float, terms: Terms) -> float | None:
    if lifetime == INDEFINITE:
        return None if terms.may_be_indefinite else now + terms.max_lifetime_s
    return now + min(lifetime, terms.max_lifetime_s)

"""Heartbeats: when to send one, and when the session counts as lost (RFC 9132 section 4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from dots_client.session.configuration import SessionParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessParameters:
    """The negotiated parameters of heartbeats."""

    heartbeat_interval_s: float
    "0 turns heartbeats off"
    missing_hb_allowed: int
    "unanswered heartbeats in a row before the session counts as lost"

    @classmethod
    def of(cls, parameters: SessionParameters, *, is_reliable: bool) -> LivenessParameters:
        """Over TCP, which retransmits, one heartbeat without an answer in time is enough."""
        return cls(
            heartbeat_interval_s=parameters.heartbeat_interval_s,
            missing_hb_allowed=1 if is_reliable else parameters.missing_hb_allowed,
        )


class Liveness:
    """The heartbeats of one side of a session."""

    def __init__(self, *, now: float, parameters: LivenessParameters) -> None:
        self._parameters = parameters
        self._is_mitigating = False
        # Deployed servers start their heartbeats after the first one of the client, so send it at
        # once.
        self._due_at = now
        self._unanswered = 0
        self._peer_heartbeat_at = now

    @property
    def unanswered(self) -> int:
        """The number of heartbeats in a row without an answer."""
        return self._unanswered

    @property
    def is_mitigating(self) -> bool:
        """The last value of `set_mitigating`."""
        return self._is_mitigating

    def set_mitigating(self, *, is_mitigating: bool, now: float) -> None:
        """Missed heartbeats prove nothing during an attack. After it the count starts at 0."""
        if self._is_mitigating and not is_mitigating:
            self._unanswered = 0
            self._due_at = min(self._due_at, now)
        self._is_mitigating = is_mitigating

    def configure(self, parameters: LivenessParameters, *, now: float) -> None:
        """Use other parameters. A shorter interval takes effect at once."""
        self._parameters = parameters
        self._due_at = min(self._due_at, now + parameters.heartbeat_interval_s)

    def next_timer(self) -> float | None:
        """When to call `is_lost` and `is_due`; None while heartbeats are off."""
        return self._due_at if self._parameters.heartbeat_interval_s > 0 else None

    def is_due(self, *, now: float) -> bool:
        """Whether a heartbeat is due. Check `is_lost` first."""
        due_at = self.next_timer()
        return due_at is not None and now >= due_at

    def is_lost(self, *, now: float) -> bool:
        """Whether the session counts as lost: never while a mitigation is active."""
        return (
            self.is_due(now=now)
            and not self._is_mitigating
            and self._unanswered >= self._parameters.missing_hb_allowed
        )

    def peer_hb_status(self, *, now: float) -> bool:
        """The `peer-hb-status` to send: whether a heartbeat came within the last two intervals."""
        window = 2 * self._parameters.heartbeat_interval_s
        return window == 0 or now - self._peer_heartbeat_at <= window

    def hurry(self, *, now: float) -> None:
        """Make a heartbeat due now, because the peer reports that it receives none."""
        self._due_at = min(self._due_at, now)

    def sent(self, *, now: float) -> None:
        """A heartbeat was sent."""
        self._unanswered += 1
        self._due_at = now + self._parameters.heartbeat_interval_s

    def answered(self, *, now: float) -> None:
        """A response to any request arrived, so both directions work."""
        self._unanswered = 0

    def peer_heartbeat_received(self, *, now: float) -> None:
        """A heartbeat of the peer arrived."""
        self._peer_heartbeat_at = now

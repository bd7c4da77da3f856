"""Heartbeats: when to send one, and when the session counts as lost (RFC 9132 section 4.7)."""

from __future__ import annotations

from dataclasses import dataclass

from dots_client.session.configuration import SessionParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessParameters:
    """The negotiated values heartbeats run by."""

    heartbeat_interval_s: float
    "0 turns heartbeats off"
    missing_hb_allowed: int
    "unanswered heartbeats in a row before the session counts as lost"

    @classmethod
    def of(cls, parameters: SessionParameters, *, is_reliable: bool) -> LivenessParameters:
        """Over TCP, which retransmits on its own, one heartbeat without an answer in time is enough."""
        return cls(
            heartbeat_interval_s=parameters.heartbeat_interval_s,
            missing_hb_allowed=1 if is_reliable else parameters.missing_hb_allowed,
        )


class Liveness:
    """The heartbeats of one session, seen from one side."""

    def __init__(self, *, now: float, parameters: LivenessParameters) -> None:
        self._parameters = parameters
        self._is_mitigating = False
        # Deployed servers start their heartbeats after the first of the client: send it at once.
        self._due_at = now
        self._unanswered = 0
        self._peer_heartbeat_at = now

    @property
    def unanswered(self) -> int:
        """Heartbeats in a row that have had no answer yet."""
        return self._unanswered

    @property
    def is_mitigating(self) -> bool:
        """What `set_mitigating` was told last."""
        return self._is_mitigating

    def set_mitigating(self, *, is_mitigating: bool, now: float) -> None:
        """Under attack missed heartbeats prove nothing; afterwards counting starts again."""
        if self._is_mitigating and not is_mitigating:
            self._unanswered = 0
            self._due_at = min(self._due_at, now)
        self._is_mitigating = is_mitigating

    def configure(self, parameters: LivenessParameters, *, now: float) -> None:
        """Run by other values; a shorter interval takes effect at once."""
        self._parameters = parameters
        self._due_at = min(self._due_at, now + parameters.heartbeat_interval_s)

    def next_timer(self) -> float | None:
        """When the next heartbeat is due or the session is to be judged; None while off."""
        return self._due_at if self._parameters.heartbeat_interval_s > 0 else None

    def is_due(self, *, now: float) -> bool:
        """Whether it is time to send a heartbeat, or to judge the session first."""
        due_at = self.next_timer()
        return due_at is not None and now >= due_at

    def is_lost(self, *, now: float) -> bool:
        """Whether the session counts as disconnected: never while a mitigation is active."""
        return (
            self.is_due(now=now)
            and not self._is_mitigating
            and self._unanswered >= self._parameters.missing_hb_allowed
        )

    def peer_hb_status(self, *, now: float) -> bool:
        """What to say of the peer's heartbeats: whether one came within two intervals."""
        window = 2 * self._parameters.heartbeat_interval_s
        return window == 0 or now - self._peer_heartbeat_at <= window

    def hurry(self, *, now: float) -> None:
        """Send the next heartbeat at once: the peer says that it sees none."""
        self._due_at = min(self._due_at, now)

    def sent(self, *, now: float) -> None:
        """One heartbeat went out."""
        self._unanswered += 1
        self._due_at = now + self._parameters.heartbeat_interval_s

    def answered(self, *, now: float) -> None:
        """A response came, to a heartbeat or any other request: both directions work."""
        self._unanswered = 0

    def peer_heartbeat_received(self, *, now: float) -> None:
        """The peer sent one of its own."""
        self._peer_heartbeat_at = now

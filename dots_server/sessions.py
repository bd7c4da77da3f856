"""The sessions of the clients, and whether their messages still arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dots_client.server import Liveness, LivenessParameters, SessionParameters, in_force
from dots_server.configuration import ConfigResource


@dataclass(slots=True, kw_only=True)
class Session:
    """One (D)TLS session with a client. Times are seconds since 1970-01-01 UTC."""

    number: int
    client: str
    "common name of its certificate"
    peer: str
    "address and port"
    opened_at: float
    last_heard_at: float
    configuration: ConfigResource = field(default_factory=ConfigResource)
    liveness: Liveness | None = None
    "starts with the client's first heartbeat"
    rtt_s: float | None = None
    heartbeats_received: int = 0

    def parameters(self, *, is_mitigating: bool) -> SessionParameters:
        config = self.configuration.config
        return in_force(config.mitigating if is_mitigating else config.idle)

    def liveness_parameters(self, *, is_mitigating: bool) -> LivenessParameters:
        parameters = self.parameters(is_mitigating=is_mitigating)
        return LivenessParameters(
            heartbeat_interval_s=parameters.heartbeat_interval_s,
            missing_hb_allowed=parameters.missing_hb_allowed,
        )

    def silence_allowed_s(self, *, is_mitigating: bool) -> float | None:
        """Seconds without a message until the session counts as lost; None without heartbeats."""
        parameters = self.parameters(is_mitigating=is_mitigating)
        if parameters.heartbeat_interval_s == 0 or self.liveness is None:
            return None
        return parameters.heartbeat_interval_s * parameters.missing_hb_allowed

    def heartbeat_received(self, *, now: float, is_seen: bool, is_mitigating: bool) -> Liveness:
        """The client's heartbeat; `is_seen`: it says that it receives ours."""
        self.heartbeats_received += 1
        if self.liveness is None:
            self.liveness = Liveness(
                now=now, parameters=self.liveness_parameters(is_mitigating=is_mitigating)
            )
        self.liveness.peer_heartbeat_received(now=now)
        if not is_seen:
            self.liveness.hurry(now=now)
        return self.liveness

    def as_json(self) -> dict[str, Any]:
        return {
            "client": self.client,
            "peer": self.peer,
            "opened_at": self.opened_at,
            "last_heard_at": self.last_heard_at,
            "heartbeats_received": self.heartbeats_received,
            "rtt_s": self.rtt_s,
        }

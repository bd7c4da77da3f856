"""The server, and how the client behaves with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dots_client.errors import LocalProtocolError
from dots_client.session import RetransmissionSettings, SessionParameters
from dots_client.transport.association import DEFAULT_PATH_MTU
from dots_client.transport.dtls import open_dtls
from dots_client.transport.link import OpenSession

DEFAULT_PORT: Final = 4646

BLOCK_SIZES: Final[Mapping[int, int]] = {256: 4, 512: 5, 1024: 6}
"""Bytes to SZX (RFC 7959 section 2.2). A list of mitigations would have too many smaller blocks."""


@dataclass(frozen=True, slots=True)
class Server:
    """A provisioned DOTS server."""

    name: str
    "DNS name or IP address in its certificate, which authenticates it"
    host: str = ""
    "where to connect; default: `name`"
    port: int = DEFAULT_PORT
    transports: tuple[str, ...] = ("dtls",)
    "`dtls` (UDP), `tls` (TCP) or both; UDP is tried first"
    addresses: tuple[str, ...] = ()
    "used instead of asking DNS for `host`"
    requires_alpn: bool = True
    "False: over TLS, accept a server that does not select CoAP by ALPN"

    def __post_init__(self) -> None:
        if not self.host:
            object.__setattr__(self, "host", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How a client behaves where RFC 9132 leaves a choice."""

    handshake_timeout_s: float = 10.0
    """0.1-300 seconds for all attempts together; lost flights are retransmitted after 1, 2, 4…
    seconds"""
    attack_handshake_timeout_s: float = 30.0
    "0.1-300 seconds; the same while an attack is active, if it is longer"
    attempt_delay_s: float = 0.25
    "0.01-10 seconds between UDP and TCP, IPv6 and IPv4"
    attack_attempt_delay_s: float = 0.1
    "0.01-10 seconds; the same while an attack is active"
    handshake_repeat_s: float = 3.0
    "0.1-60 seconds until another DTLS handshake begins from a new port"
    attack_handshake_repeat_s: float = 1.0
    "0.1-60 seconds; the same while an attack is active; four round trips where these are known"
    max_handshakes: int = 10
    "1-32 at once"
    attack_max_handshakes: int = 20
    "1-32; the same while an attack is active"
    udp_probe_s: float = 86400.0
    "300-604800 seconds between probes for UDP from a session over TCP"
    path_mtu: int = DEFAULT_PATH_MTU
    "576-9000 bytes of an IP packet; a request must fit into one"
    retransmission: RetransmissionSettings = field(default_factory=RetransmissionSettings)
    "when to repeat a request that has no answer"
    heartbeat_interval_s: float | None = None
    "0.05-3600 seconds, 0: no heartbeats, None: as negotiated with the server"
    missing_hb_allowed: int | None = None
    "1-1000 unanswered heartbeats before the session counts as lost, None: as negotiated"
    heartbeat_wait_s: float = 5.0
    "0.05-60 seconds that `heartbeat()` waits for an answer"
    poll_interval_s: float = 30.0
    "0.05-3600 seconds without a report on an observed mitigation before the client polls"
    eager_poll_interval_s: float = 5.0
    "0.05-3600 seconds; the same for a server that has not sent a notification yet"
    reads_configuration: bool = True
    "False: use the defaults of RFC 9132 section 4.5.2"
    block_bytes: int | None = None
    "256, 512 or 1024 bytes per block of an answer; None: the server chooses"
    resumes_sessions: bool = True
    "with a `ClientCache`: resume the last session with a server, at most a day old"
    open_dtls: OpenSession = open_dtls
    "opens a session over UDP; a simulation opens it over a network in memory"

    def __post_init__(self) -> None:
        _check("handshake_timeout_s", self.handshake_timeout_s, 0.1, 300)
        _check("attack_handshake_timeout_s", self.attack_handshake_timeout_s, 0.1, 300)
        _check("attempt_delay_s", self.attempt_delay_s, 0.01, 10)
        _check("attack_attempt_delay_s", self.attack_attempt_delay_s, 0.01, 10)
        _check("handshake_repeat_s", self.handshake_repeat_s, 0.1, 60)
        _check("attack_handshake_repeat_s", self.attack_handshake_repeat_s, 0.1, 60)
        _check("max_handshakes", self.max_handshakes, 1, 32)
        _check("attack_max_handshakes", self.attack_max_handshakes, 1, 32)
        _check("udp_probe_s", self.udp_probe_s, 300, 604800)
        _check("path_mtu", self.path_mtu, 576, 9000)
        if self.block_bytes is not None and self.block_bytes not in BLOCK_SIZES:
            raise LocalProtocolError(
                f"block_bytes must be one of {', '.join(map(str, BLOCK_SIZES))}, "
                f"not {self.block_bytes}"
            )
        if self.heartbeat_interval_s:
            _check("heartbeat_interval_s", self.heartbeat_interval_s, 0.05, 3600)
        if self.missing_hb_allowed is not None:
            _check("missing_hb_allowed", self.missing_hb_allowed, 1, 1000)
        _check("heartbeat_wait_s", self.heartbeat_wait_s, 0.05, 60)
        _check("poll_interval_s", self.poll_interval_s, 0.05, 3600)
        _check("eager_poll_interval_s", self.eager_poll_interval_s, 0.05, 3600)

    def overriding(self, parameters: SessionParameters) -> SessionParameters:
        """The negotiated `parameters`, except for those that these settings fix."""
        fixed: dict[str, Any] = {
            name: value
            for name, value in (
                ("heartbeat_interval_s", self.heartbeat_interval_s),
                ("missing_hb_allowed", self.missing_hb_allowed),
            )
            if value is not None
        }
        return replace(parameters, **fixed)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise LocalProtocolError(
            f"{name} must be between {lowest:g} and {highest:g}, not {value:g}"
        )

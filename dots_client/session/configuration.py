"""The negotiated parameters of one session (RFC 9132 section 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dots_client.codec.keys import UINT32
from dots_client.codec.messages import MIN_HEARTBEAT_INTERVAL_S
from dots_client.errors import LocalProtocolError
from dots_client.model import ConfigurationSet, Parameter, SignalConfig

DEFAULT_MAX_AGE_S: Final = 60
"""Max-Age of an answer without the option (RFC 7252 section 5.10.5)."""

NEVER_EXPIRES: Final = UINT32
REFRESH_AT: Final = 0.8
"""Share of Max-Age after which to read again, to leave time for retransmissions."""

MIN_ACK_TIMEOUT_S: Final = 1.0
"""A smaller value would need other congestion control (RFC 7252 section 4.8.1)."""

MIN_ACK_RANDOM_FACTOR: Final = 1.0

# The largest values accepted from a server. The three below are the limits of RFC 9132 figure 20.
MAX_HEARTBEAT_INTERVAL_S: Final = 3600
MAX_MISSING_HB_ALLOWED: Final = 1000
MAX_RETRANSMIT: Final = 15
MAX_ACK_TIMEOUT_S: Final = 30.0
MAX_ACK_RANDOM_FACTOR: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParameters:
    """One set of parameters in force. The defaults are those of RFC 9132 section 4.5.2."""

    heartbeat_interval_s: float = 30
    "0: no heartbeats"
    missing_hb_allowed: int = 15
    probing_rate: int = 5
    "bytes per second"
    max_retransmit: int = 3
    ack_timeout_s: float = 2.0
    ack_random_factor: float = 1.5


DEFAULTS: Final = SessionParameters()


class SessionConfiguration:
    """The configuration as the server reported it, and when to read it again."""

    def __init__(self) -> None:
        self.idle = DEFAULTS
        self.mitigating = DEFAULTS
        self._refresh_at: float | None = None
        self._last_sid: int | None = None

    def parameters(self, *, is_mitigating: bool) -> SessionParameters:
        """The set in force: idle or mitigating (RFC 9132 section 4.5)."""
        return self.mitigating if is_mitigating else self.idle

    def received(self, config: SignalConfig, *, now: float, max_age_s: int | None) -> None:
        """Adopt what the server reports. What it omits gets its default."""
        self.idle = in_force(config.idle)
        self.mitigating = in_force(config.mitigating)
        self.confirmed(now=now, max_age_s=max_age_s)

    def confirmed(self, *, now: float, max_age_s: int | None) -> None:
        """The server still has the same values: restart the refresh timer."""
        lasting = DEFAULT_MAX_AGE_S if max_age_s is None else min(max_age_s, NEVER_EXPIRES)
        self._refresh_at = None if lasting in (0, NEVER_EXPIRES) else now + REFRESH_AT * lasting

    def next_refresh(self, *, is_mitigating: bool) -> float | None:
        """When to read the configuration again; None for never, as while an attack is active."""
        return None if is_mitigating else self._refresh_at

    def use_sid(self, sid: int) -> None:
        """Note the sid of a change.

        Raises LocalProtocolError unless it is higher than all before, and at most 2^32-1.
        """
        if self._last_sid is not None and sid <= self._last_sid:
            raise LocalProtocolError(f"sid {sid} is not above {self._last_sid}")
        if not 0 <= sid <= UINT32:
            raise LocalProtocolError(f"sid {sid} is not a 32-bit number")
        self._last_sid = sid


def in_force(reported: ConfigurationSet | None) -> SessionParameters:
    """The parameters to use.

    A value that the RFCs forbid or that makes no sense becomes the nearest valid one.
    """
    values = reported or ConfigurationSet()
    interval = _number(values.heartbeat_interval, DEFAULTS.heartbeat_interval_s)
    if interval != 0:
        interval = _between(MIN_HEARTBEAT_INTERVAL_S, interval, MAX_HEARTBEAT_INTERVAL_S)
    missing = _number(values.missing_hb_allowed, DEFAULTS.missing_hb_allowed)
    retransmit = _number(values.max_retransmit, DEFAULTS.max_retransmit)
    ack_timeout_s = _number(values.ack_timeout, DEFAULTS.ack_timeout_s)
    factor = _number(values.ack_random_factor, DEFAULTS.ack_random_factor)
    return SessionParameters(
        heartbeat_interval_s=interval,
        missing_hb_allowed=int(_between(1, missing, MAX_MISSING_HB_ALLOWED)),
        probing_rate=int(_number(values.probing_rate, DEFAULTS.probing_rate)),
        max_retransmit=int(_between(0, retransmit, MAX_RETRANSMIT)),
        ack_timeout_s=_between(MIN_ACK_TIMEOUT_S, ack_timeout_s, MAX_ACK_TIMEOUT_S),
        ack_random_factor=_between(MIN_ACK_RANDOM_FACTOR, factor, MAX_ACK_RANDOM_FACTOR),
    )


def _between(lowest: float, value: float, highest: float) -> float:
    return min(max(lowest, value), highest)


def _number(parameter: Parameter | None, default: float) -> float:
    if parameter is None or parameter.current is None:
        return default
    return float(parameter.current)

"""The timers and limits of a server."""

from __future__ import annotations

from dataclasses import dataclass

from dots_client.server import UINT32


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`SignalEndpoint.set_terms` replaces them while the server runs."""

    max_lifetime_s: int = UINT32
    "the most that a request gets"
    may_be_indefinite: bool = True
    "whether a lifetime may have no end (RFC 9132 section 4.4.1)"
    terminating_s: float = 120.0
    "active-but-terminating period, 0 to 300 s (RFC 9132 section 4.4.4)"
    retry_after_s: int = 60
    "retry-timer of a 4.09, Max-Age of a 4.29 or 5.03"
    notify: bool = True
    "whether GET requests with Observe start an observation"
    notify_interval_s: float = 2.0
    "seconds between notifications whose only news is counters"
    heartbeats: bool = True
    "whether the server sends and answers them"
    max_requests_per_s: float | None = None
    "per client; DELETE is never throttled; None: any number"

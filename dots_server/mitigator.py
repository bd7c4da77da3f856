"""What a provider implements to filter traffic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from dots_client import MitigationStatus
from dots_server.mitigation import Mitigation


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What was dropped for one mitigation so far (RFC 9132 section 4.4.2). None: not known."""

    bytes_dropped: int | None = None
    pkts_dropped: int | None = None
    bps_dropped: int | None = None
    "bytes per second, despite the name; averaged over five minutes"
    pps_dropped: int | None = None


class Mitigator(ABC):
    """Filters the traffic. No method may block, and an exception ends `SignalServer.run`.

    A mitigator that has news about a mitigation calls `SignalServer.touch(mitigation.client)`; the
    server then asks for the next status.
    """

    @abstractmethod
    def entered(self, mitigation: Mitigation, *, now: float) -> None:
        """The mitigation entered `mitigation.status`, or was restored with it.

        Filtering has to run in status 1, 2, 4 and 5, and has to end in 3, 6, 7 and 8.
        """

    @abstractmethod
    def next_status(self, mitigation: Mitigation, *, now: float) -> MitigationStatus | None:
        """The new status, as `lifecycle.MITIGATOR_MAY_ENTER` allows; None: no change.

        The server asks in status 1, 2 and 4 until the answer is None.
        """

    def next_check_at(self, mitigation: Mitigation, *, now: float) -> float | None:
        """When the server must ask for the next status; None: only after `touch`."""
        return None

    def counters(self, mitigation: Mitigation, *, now: float) -> Counters:
        """The counters for reports on a mitigation that has started."""
        return Counters()

    def removed(self, mitigation: Mitigation) -> None:  # noqa: B027 - a mitigator may keep nothing
        """The server removed it from the register.

        Remove its filters, whatever its last status was.
        """

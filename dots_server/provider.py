"""What a server asks of its provider: what filters the traffic, and who may ask for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dots_client import MitigationStatus, Scope
from dots_server.messages import Response
from dots_server.mitigation import Mitigation
from dots_server.targets import Entitlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What was dropped for one mitigation so far (RFC 9132 section 4.4.2). None: not known."""

    bytes_dropped: int | None = None
    pkts_dropped: int | None = None
    bps_dropped: int | None = None
    "bytes per second, whatever the name says; averaged over five minutes"
    pps_dropped: int | None = None


class Mitigator(ABC):
    """Filters the traffic. No method may block: a mitigator has what it knows at hand.

    When it learns something new it calls `SignalServer.touch(mitigation.client)`, and is asked again.
    """

    @abstractmethod
    def entered(self, mitigation: Mitigation, *, now: float) -> None:
        """The mitigation entered `mitigation.status`, or was restored with it.

        Filtering has to run in status 1, 2, 4 and 5, and has to end in 3, 6, 7 and 8.
        """

    @abstractmethod
    def next_status(self, mitigation: Mitigation, *, now: float) -> MitigationStatus | None:
        """The status that follows, one of `lifecycle.MITIGATOR_MAY_ENTER`; None: no change.

        Asked in status 1, 2 and 4 until it answers None.
        """

    def next_check_at(self, mitigation: Mitigation, *, now: float) -> float | None:
        """When to ask for the next status at the latest; None: when touched."""
        return None

    def counters(self, mitigation: Mitigation, *, now: float) -> Counters:
        """What every report on a mitigation that has started carries."""
        return Counters()

    def removed(self, mitigation: Mitigation) -> None:  # noqa: B027 - a mitigator may keep nothing
        """The register dropped it. No filter may be left, whatever its last status was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A mitigation request that is valid, within the client's domain, and without a conflict so far."""

    client: str
    cuid: str
    mid: int
    scope: Scope
    is_mitigating: bool
    "whether a mitigation of this client is active"


class Policy(Protocol):
    """Decides who is served."""

    def entitlement(self, client: str) -> Entitlement | None:
        """What this client may ask protection for; None: every request gets 4.01."""

    def refusal(self, request: NewRequest, *, now: float) -> Response | None:
        """The answer that refuses or redirects a new request; None: accept. Refreshes are not asked about."""


class Contracts:
    """A policy that accepts everything within the clients' domains."""

    def __init__(self, entitlements: Mapping[str, Entitlement]) -> None:
        """`entitlements`: by the common name of the client's certificate."""
        self._entitlements = entitlements

    def entitlement(self, client: str) -> Entitlement | None:
        return self._entitlements.get(client)

    def refusal(self, request: NewRequest, *, now: float) -> Response | None:
        return None

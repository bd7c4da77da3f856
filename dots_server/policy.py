"""What a provider implements to decide who is served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dots_client import Scope
from dots_server.messages import Response
from dots_server.targets import Entitlement


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A valid mitigation request for targets within the client's domain."""

    client: str
    cuid: str
    mid: int
    scope: Scope
    is_mitigating: bool
    "whether a mitigation of this client is active"


class Policy(Protocol):
    """Decides which requests are accepted."""

    def entitlement(self, client: str) -> Entitlement | None:
        """What this client may request protection for; None: its requests get 4.01."""

    def refusal(self, request: NewRequest, *, now: float) -> Response | None:
        """The answer that refuses or redirects a new request, not a refresh; None: accept."""


class Contracts:
    """A policy that accepts everything within the clients' domains."""

    def __init__(self, entitlements: Mapping[str, Entitlement]) -> None:
        """`entitlements`: by the common name of the client's certificate."""
        self._entitlements = entitlements

    def entitlement(self, client: str) -> Entitlement | None:
        return self._entitlements.get(client)

    def refusal(self, request: NewRequest, *, now: float) -> Response | None:
        return None

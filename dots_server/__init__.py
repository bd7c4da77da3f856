"""A DOTS server (RFC 9132): sessions, mitigations and notifications, but no filtering.

A provider implements `Mitigator`, and `Policy` if `Contracts` is not enough. README.md
has a whole server.
"""

from __future__ import annotations

from dots_server.export import ExportError, RegisterExport
from dots_server.mitigation import Mitigation
from dots_server.mitigator import Counters, Mitigator
from dots_server.policy import Contracts, NewRequest, Policy
from dots_server.server import SignalServer
from dots_server.signal_channel import SignalChannel
from dots_server.targets import Entitlement
from dots_server.terms import Terms

__all__ = [
    "Contracts",
    "Counters",
    "Entitlement",
    "ExportError",
    "Mitigation",
    "Mitigator",
    "NewRequest",
    "Policy",
    "RegisterExport",
    "SignalChannel",
    "SignalServer",
    "Terms",
]

"""The pure parts of a DOTS session: time and randomness are arguments."""

from __future__ import annotations

from dots_client.session.address_kinds import AddressKind, address_kind, allowed_alternates
from dots_client.session.configuration import (
    SessionConfiguration,
    SessionParameters,
    in_force,
)
from dots_client.session.connection_history import ConnectionHistory
from dots_client.session.happy_eyeballs import (
    Candidate,
    HappyEyeballs,
    HappyEyeballsSettings,
    candidates,
)
from dots_client.session.liveness import Liveness, LivenessParameters
from dots_client.session.mids import MidAllocator
from dots_client.session.nat64 import synthesize, with_nat64
from dots_client.session.notification_order import NotificationOrder
from dots_client.session.pacing import Pacer
from dots_client.session.reconnect import Reconnect, ReconnectSettings
from dots_client.session.redirection import Alternate, NotFollowed, Redirections
from dots_client.session.retransmission import Retransmission, RetransmissionSettings
from dots_client.session.rtt import RttEstimator
from dots_client.session.udp_probe import UdpProbe

__all__ = [
    "AddressKind",
    "Alternate",
    "Candidate",
    "ConnectionHistory",
    "HappyEyeballs",
    "HappyEyeballsSettings",
    "Liveness",
    "LivenessParameters",
    "MidAllocator",
    "NotFollowed",
    "NotificationOrder",
    "Pacer",
    "Reconnect",
    "ReconnectSettings",
    "Redirections",
    "Retransmission",
    "RetransmissionSettings",
    "RttEstimator",
    "SessionConfiguration",
    "SessionParameters",
    "UdpProbe",
    "address_kind",
    "allowed_alternates",
    "candidates",
    "in_force",
    "synthesize",
    "with_nat64",
]

"""Pure state machines of a DOTS session: time and randomness are arguments."""

from __future__ import annotations

from dots_client.session.configuration import (
    SessionConfiguration,
    SessionParameters,
    in_force,
    within_limits,
)
from dots_client.session.liveness import Liveness, LivenessParameters
from dots_client.session.mids import MidAllocator
from dots_client.session.observation import NotificationOrder
from dots_client.session.reconnect import Reconnect, ReconnectSettings
from dots_client.session.retransmission import Retransmission, RetransmissionSettings
from dots_client.session.rtt import RttEstimator

__all__ = [
    "Liveness",
    "LivenessParameters",
    "MidAllocator",
    "NotificationOrder",
    "Reconnect",
    "ReconnectSettings",
    "Retransmission",
    "RetransmissionSettings",
    "RttEstimator",
    "SessionConfiguration",
    "SessionParameters",
    "in_force",
    "within_limits",
]

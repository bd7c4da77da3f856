"""Pure state machines of a DOTS session: time and randomness are arguments."""

from __future__ import annotations

from dots_client.session.configuration import (
    SessionConfiguration,
    SessionParameters,
    in_force,
)
from dots_client.session.embedding import embedded, reachable
from dots_client.session.liveness import Liveness, LivenessParameters
from dots_client.session.mids import MidAllocator
from dots_client.session.observation import NotificationOrder
from dots_client.session.pacing import Pacer
from dots_client.session.places import Place, permitted, place_of
from dots_client.session.race import Candidate, Outcome, Race, RaceSettings, UdpProbe, candidates
from dots_client.session.reconnect import Reconnect, ReconnectSettings
from dots_client.session.redirection import Alternate, NotFollowed, Redirections
from dots_client.session.retransmission import Retransmission, RetransmissionSettings
from dots_client.session.rtt import RttEstimator

__all__ = [
    "Alternate",
    "Candidate",
    "Liveness",
    "LivenessParameters",
    "MidAllocator",
    "NotFollowed",
    "NotificationOrder",
    "Outcome",
    "Pacer",
    "Place",
    "Race",
    "RaceSettings",
    "Reconnect",
    "ReconnectSettings",
    "Redirections",
    "Retransmission",
    "RetransmissionSettings",
    "RttEstimator",
    "SessionConfiguration",
    "SessionParameters",
    "UdpProbe",
    "candidates",
    "embedded",
    "in_force",
    "permitted",
    "place_of",
    "reachable",
]

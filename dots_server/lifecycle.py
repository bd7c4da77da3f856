"""The life of one mitigation at the provider (RFC 9132 Table 3). Everything that may change it is here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from dots_client import LocalProtocolError, MitigationStatus

Status = MitigationStatus


class Trigger(Enum):
    """What happened."""

    MITIGATOR_READY = "traffic is diverted and filtered"
    CAPABILITY_EXCEEDED = "the attack is more than one mitigation can take"
    CAPABILITY_SUFFICES = "the attack can be taken again"
    ATTACK_ENDED = "the attack is over"
    CLIENT_WITHDREW = "DELETE"
    CLIENT_ASKED_AGAIN = "PUT of the same scope while terminating"
    LIFETIME_OVER = "the lifetime ran out without a refresh"
    PERIOD_OVER = "the active-but-terminating period is over"
    SERVER_WITHDREW = "a conflict or the operator ends it"
    SESSION_LOST = "nothing came from the client for too long"
    REARMED = "the end was reported four times"
    CLIENT_REARMED = (
        "PUT with trigger-mitigation false, at a server that reads it as an order to stop"
    )


_RUNNING: Final = (Status.IN_PROGRESS, Status.MITIGATING, Status.EXCEEDED_CAPABILITY)
_HELD_ONLY: Final = (Status.WITHDRAWN, Status.SIGNAL_LOSS)

TRANSITIONS: Final[Mapping[tuple[Status, Trigger], Status]] = {
    (Status.IN_PROGRESS, Trigger.MITIGATOR_READY): Status.MITIGATING,
    (Status.IN_PROGRESS, Trigger.CAPABILITY_EXCEEDED): Status.EXCEEDED_CAPABILITY,
    (Status.MITIGATING, Trigger.CAPABILITY_EXCEEDED): Status.EXCEEDED_CAPABILITY,
    (Status.EXCEEDED_CAPABILITY, Trigger.CAPABILITY_SUFFICES): Status.MITIGATING,
    **{(status, Trigger.ATTACK_ENDED): Status.ATTACK_STOPPED for status in _RUNNING},
    **{
        (status, Trigger.CLIENT_WITHDREW): Status.TERMINATING
        for status in (*_RUNNING, Status.ATTACK_STOPPED)
    },
    # What the server withdrew, or never started, has no terminating period.
    **{(status, Trigger.CLIENT_WITHDREW): Status.TERMINATED for status in _HELD_ONLY},
    (Status.TERMINATING, Trigger.CLIENT_WITHDREW): Status.TERMINATING,
    (Status.TERMINATING, Trigger.CLIENT_ASKED_AGAIN): Status.IN_PROGRESS,
    (Status.TERMINATING, Trigger.PERIOD_OVER): Status.TERMINATED,
    # RFC 8612 SIG-007: the end of the lifetime is like a withdrawal.
    **{(status, Trigger.LIFETIME_OVER): Status.TERMINATING for status in _RUNNING},
    **{
        (status, Trigger.LIFETIME_OVER): Status.TERMINATED
        for status in (Status.ATTACK_STOPPED, *_HELD_ONLY)
    },
    **{
        (status, Trigger.SERVER_WITHDREW): Status.WITHDRAWN
        for status in (*_RUNNING, Status.ATTACK_STOPPED)
    },
    (Status.SIGNAL_LOSS, Trigger.SESSION_LOST): Status.IN_PROGRESS,
    (Status.ATTACK_STOPPED, Trigger.REARMED): Status.SIGNAL_LOSS,
    (Status.WITHDRAWN, Trigger.REARMED): Status.SIGNAL_LOSS,
    **{
        (status, Trigger.CLIENT_REARMED): Status.SIGNAL_LOSS
        for status in (*_RUNNING, Status.ATTACK_STOPPED, Status.WITHDRAWN)
    },
}

TERMINAL: Final = frozenset(Status) - {status for status, _ in TRANSITIONS}


def next_status(status: Status, trigger: Trigger) -> Status:
    try:
        return TRANSITIONS[status, trigger]
    except KeyError:
        raise LocalProtocolError(f"{trigger.name} cannot happen to {status.name}") from None

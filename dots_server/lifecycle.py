"""The life of one mitigation at a server (RFC 9132 Table 3). All changes of its status are here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from dots_client import LocalProtocolError, MitigationStatus

Status = MitigationStatus


class Trigger(Enum):
    """Events other than reports of the mitigator."""

    CLIENT_WITHDREW = "DELETE"
    CLIENT_ASKED_AGAIN = "PUT of the same scope while terminating"
    LIFETIME_OVER = "the lifetime ran out without a refresh"
    PERIOD_OVER = "the active-but-terminating period is over"
    SERVER_WITHDREW = "a conflict ends it"
    SESSION_LOST = "nothing came from the client for too long"
    REARMED = "the end was reported four times"


RUNNING: Final = (Status.IN_PROGRESS, Status.MITIGATING, Status.EXCEEDED_CAPABILITY)
"""The mitigator is asked for the next status."""
ACTIVE: Final = (*RUNNING, Status.ATTACK_STOPPED)
"""It takes part in conflicts with other requests."""
_INACTIVE: Final = (Status.WITHDRAWN, Status.SIGNAL_LOSS)

MITIGATOR_MAY_ENTER: Final[Mapping[Status, tuple[Status, ...]]] = {
    before: tuple(after for after in (*ACTIVE[1:], Status.WITHDRAWN) if after is not before)
    for before in RUNNING
}

TRANSITIONS: Final[Mapping[tuple[Status, Trigger], Status]] = {
    **{(status, Trigger.CLIENT_WITHDREW): Status.TERMINATING for status in ACTIVE},
    # What the server withdrew, or never started, has no terminating period.
    **{(status, Trigger.CLIENT_WITHDREW): Status.TERMINATED for status in _INACTIVE},
    (Status.TERMINATING, Trigger.CLIENT_WITHDREW): Status.TERMINATING,
    (Status.TERMINATING, Trigger.CLIENT_ASKED_AGAIN): Status.IN_PROGRESS,
    (Status.TERMINATING, Trigger.PERIOD_OVER): Status.TERMINATED,
    # RFC 8612 SIG-007: the end of the lifetime is like a withdrawal.
    **{(status, Trigger.LIFETIME_OVER): Status.TERMINATING for status in RUNNING},
    **{
        (status, Trigger.LIFETIME_OVER): Status.TERMINATED
        for status in (Status.ATTACK_STOPPED, *_INACTIVE)
    },
    **{(status, Trigger.SERVER_WITHDREW): Status.WITHDRAWN for status in ACTIVE},
    (Status.SIGNAL_LOSS, Trigger.SESSION_LOST): Status.IN_PROGRESS,
    (Status.ATTACK_STOPPED, Trigger.REARMED): Status.SIGNAL_LOSS,
    (Status.WITHDRAWN, Trigger.REARMED): Status.SIGNAL_LOSS,
}

TERMINAL: Final = frozenset(Status) - {status for status, _ in TRANSITIONS}


def next_status(status: Status, trigger: Trigger) -> Status:
    """LocalProtocolError when `trigger` cannot happen in `status`."""
    try:
        return TRANSITIONS[status, trigger]
    except KeyError:
        raise LocalProtocolError(f"{trigger.name} cannot happen to {status.name}") from None


def check_mitigator(before: Status, after: Status) -> None:
    """LocalProtocolError when a mitigator may not move a mitigation from `before` to `after`."""
    if after not in MITIGATOR_MAY_ENTER.get(before, ()):
        raise LocalProtocolError(f"a mitigator cannot move {before.name} to {after.name}")

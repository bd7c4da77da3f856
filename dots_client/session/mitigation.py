"""The life of one mitigation as its client sees it. Everything that may change its state is here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from dots_client.errors import LocalProtocolError
from dots_client.model import MitigationStatus


class State(Enum):
    """Where the mitigation stands."""

    DRAFT = "draft"
    REQUESTED = "requested"
    WAITING = "waiting"
    ACCEPTED = "accepted"
    STARTING = "starting"
    MITIGATING = "mitigating"
    EXCEEDED = "exceeded"
    STOPPED = "stopped"
    ARMED = "armed"
    WITHDRAWN_BY_SERVER = "withdrawn by server"
    WITHDRAWING = "withdrawing"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    REJECTED = "rejected"
    REPLACED = "replaced"
    EXPIRED = "expired"


class Trigger(Enum):
    """What happened."""

    CLIENT_CONFIRMED = "the client decided to ask"
    SERVER_ACCEPTED = "2.01 or 2.04"
    SERVER_REJECTED = "a definite 4.xx, or 4.09 for the client's own higher mid"
    SERVER_POSTPONED = "4.09 with a retry-timer, or 5.03 with Max-Age"
    WAIT_OVER = "the retry-timer or Max-Age ran out"
    STATUS_IN_PROGRESS = "status 1"
    STATUS_MITIGATING = "status 2"
    STATUS_ATTACK_STOPPED = "status 3"
    STATUS_EXCEEDED = "status 4"
    STATUS_TERMINATING = "status 5"
    STATUS_TERMINATED = "status 6"
    STATUS_WITHDRAWN = "status 7"
    STATUS_SIGNAL_LOSS = "status 8"
    SERVER_FORGOT = "4.04"
    CLIENT_WITHDREW = "the client decided to stop"
    SERVER_DELETED = "2.02"
    HIGHER_MID_ACCEPTED = "an overlapping request with a higher mid was accepted"
    LIFETIME_OVER = "the lifetime ran out without a refresh"
    SESSION_LOST = "the server hears nothing from the client any more"


TRIGGER_OF_STATUS: Final[Mapping[MitigationStatus, Trigger]] = {
    MitigationStatus.IN_PROGRESS: Trigger.STATUS_IN_PROGRESS,
    MitigationStatus.MITIGATING: Trigger.STATUS_MITIGATING,
    MitigationStatus.ATTACK_STOPPED: Trigger.STATUS_ATTACK_STOPPED,
    MitigationStatus.EXCEEDED_CAPABILITY: Trigger.STATUS_EXCEEDED,
    MitigationStatus.TERMINATING: Trigger.STATUS_TERMINATING,
    MitigationStatus.TERMINATED: Trigger.STATUS_TERMINATED,
    MitigationStatus.WITHDRAWN: Trigger.STATUS_WITHDRAWN,
    MitigationStatus.SIGNAL_LOSS: Trigger.STATUS_SIGNAL_LOSS,
}

# Held by the server, as far as the client knows.
_ACTIVE: Final = (
    State.ACCEPTED,
    State.STARTING,
    State.MITIGATING,
    State.EXCEEDED,
    State.STOPPED,
    State.ARMED,
    State.WITHDRAWN_BY_SERVER,
)

_FROM_STATUS: Final[Mapping[Trigger, State]] = {
    Trigger.STATUS_IN_PROGRESS: State.STARTING,
    Trigger.STATUS_MITIGATING: State.MITIGATING,
    Trigger.STATUS_ATTACK_STOPPED: State.STOPPED,
    Trigger.STATUS_EXCEEDED: State.EXCEEDED,
    Trigger.STATUS_TERMINATING: State.TERMINATING,
    Trigger.STATUS_TERMINATED: State.TERMINATED,
    Trigger.STATUS_WITHDRAWN: State.WITHDRAWN_BY_SERVER,
    Trigger.STATUS_SIGNAL_LOSS: State.ARMED,
}

# Late news of a mitigation we are ending: the server has not seen the DELETE yet, or the notification
# is older than its answer. Only its end counts.
_STILL_RUNNING: Final = (
    Trigger.STATUS_IN_PROGRESS,
    Trigger.STATUS_MITIGATING,
    Trigger.STATUS_ATTACK_STOPPED,
    Trigger.STATUS_EXCEEDED,
    Trigger.STATUS_WITHDRAWN,
    Trigger.STATUS_SIGNAL_LOSS,
)

_WITH_SESSION: Final[Mapping[tuple[State, Trigger], State]] = {
    (State.DRAFT, Trigger.CLIENT_CONFIRMED): State.REQUESTED,
    (State.REQUESTED, Trigger.SERVER_ACCEPTED): State.ACCEPTED,
    (State.REQUESTED, Trigger.SERVER_REJECTED): State.REJECTED,
    (State.REQUESTED, Trigger.SERVER_POSTPONED): State.WAITING,
    (State.REQUESTED, Trigger.CLIENT_WITHDREW): State.WITHDRAWING,
    (State.REQUESTED, Trigger.HIGHER_MID_ACCEPTED): State.REPLACED,
    (State.REQUESTED, Trigger.SERVER_FORGOT): State.REQUESTED,
    (State.REQUESTED, Trigger.LIFETIME_OVER): State.EXPIRED,
    # The answer to the PUT was lost, what came next was not.
    **{(State.REQUESTED, trigger): state for trigger, state in _FROM_STATUS.items()},
    (State.WAITING, Trigger.WAIT_OVER): State.REQUESTED,
    (State.WAITING, Trigger.CLIENT_WITHDREW): State.WITHDRAWING,
    (State.WAITING, Trigger.LIFETIME_OVER): State.EXPIRED,
    **{
        (active, trigger): state
        for active in _ACTIVE
        for trigger, state in (
            *_FROM_STATUS.items(),
            # A refresh, or a late answer to a repeat.
            (Trigger.SERVER_ACCEPTED, active),
            (Trigger.SERVER_REJECTED, active),
            (Trigger.SERVER_POSTPONED, active),
            (Trigger.CLIENT_WITHDREW, State.WITHDRAWING),
            (Trigger.HIGHER_MID_ACCEPTED, State.REPLACED),
            (Trigger.LIFETIME_OVER, State.EXPIRED),
            # The server lost it: ask again.
            (Trigger.SERVER_FORGOT, State.REQUESTED),
        )
    },
    **{(State.WITHDRAWING, trigger): State.WITHDRAWING for trigger in _STILL_RUNNING},
    # The answer to a PUT that was under way when the client changed its mind.
    (State.WITHDRAWING, Trigger.SERVER_ACCEPTED): State.WITHDRAWING,
    (State.WITHDRAWING, Trigger.SERVER_DELETED): State.TERMINATING,
    (State.WITHDRAWING, Trigger.STATUS_TERMINATING): State.TERMINATING,
    (State.WITHDRAWING, Trigger.STATUS_TERMINATED): State.TERMINATED,
    (State.WITHDRAWING, Trigger.SERVER_FORGOT): State.TERMINATED,
    (State.WITHDRAWING, Trigger.LIFETIME_OVER): State.TERMINATED,
    **{(State.TERMINATING, trigger): State.TERMINATING for trigger in _STILL_RUNNING},
    (State.TERMINATING, Trigger.SERVER_DELETED): State.TERMINATING,
    (State.TERMINATING, Trigger.STATUS_TERMINATING): State.TERMINATING,
    (State.TERMINATING, Trigger.STATUS_TERMINATED): State.TERMINATED,
    (State.TERMINATING, Trigger.SERVER_FORGOT): State.TERMINATED,
    (State.TERMINATING, Trigger.LIFETIME_OVER): State.TERMINATED,
}

# What is armed starts without the client, and what overlaps it the server withdraws: its status says so
# when there is a session again (RFC 9132 section 4.4.1.3).
_UNTOUCHED_BY_LOSS: Final = frozenset(state for state, _ in _WITH_SESSION) - {State.ARMED}

TRANSITIONS: Final[Mapping[tuple[State, Trigger], State]] = {
    **_WITH_SESSION,
    (State.ARMED, Trigger.SESSION_LOST): State.STARTING,
    **{(state, Trigger.SESSION_LOST): state for state in _UNTOUCHED_BY_LOSS},
}

TERMINAL: Final = frozenset(State) - {state for state, _ in TRANSITIONS}


def next_state(state: State, trigger: Trigger) -> State:
    try:
        return TRANSITIONS[state, trigger]
    except KeyError:
        raise LocalProtocolError(
            f"{trigger.name} cannot happen to a mitigation {state.value}"
        ) from None

"""The kinds of notices, and the roles that get each unless a person chose otherwise."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from portal.organizations.models import Role


class NoticeKind(StrEnum):
    """What a notice is about. The values are in rows, in the API and in signed links."""

    SENT = "request.sent"
    ACCEPTED = "request.accepted"
    "every provider that was asked confirmed it"
    NONE_ACCEPTED = "request.none_accepted"
    "every provider that was asked refused it"
    NOT_REACHED = "request.not_reached"
    "no provider has confirmed it in time, and at least one did not answer"
    REFUSED = "request.refused"
    "one provider refused it, or could not be sent it"
    OVER_CAPACITY = "request.over_capacity"
    ENDS_SOON = "request.ends_soon"
    ENDED_BY_PROVIDER = "request.ended_by_provider"
    ATTACK_OVER = "request.attack_over"
    ENDED = "request.ended"
    APPROVAL_WANTED = "approval.wanted"
    APPROVAL_DECLINED = "approval.declined"
    APPROVAL_EXPIRED = "approval.expired"
    BREAK_GLASS = "request.break_glass"
    MENTIONED = "request.mentioned"
    "a note on a request mentions members"
    PROPOSAL = "alert.proposal"
    SESSION_DOWN = "session.down"
    CERTIFICATE_ENDS = "certificate.ends"
    PLAN_ACTIVATED = "plan.activated"
    PLAN_LOST = "plan.lost"
    DRILL_FAILED = "drill.failed"


KIND_CHOICES: Final = [(one.value, one.value) for one in NoticeKind]
"""For the API."""
AT_ONCE: Final = frozenset(
    {
        NoticeKind.NONE_ACCEPTED,
        NoticeKind.NOT_REACHED,
        NoticeKind.ENDED_BY_PROVIDER,
        NoticeKind.APPROVAL_WANTED,
        NoticeKind.APPROVAL_DECLINED,
        NoticeKind.APPROVAL_EXPIRED,
        NoticeKind.BREAK_GLASS,
    }
)
"""No quiet hours hold these, and no digest."""

ALWAYS_MAILED: Final = {
    NoticeKind.APPROVAL_WANTED: Role.APPROVER,
    NoticeKind.APPROVAL_DECLINED: Role.VIEWER,
    NoticeKind.APPROVAL_EXPIRED: Role.VIEWER,
    NoticeKind.BREAK_GLASS: Role.ADMIN,
    NoticeKind.CERTIFICATE_ENDS: Role.ADMIN,
}
"""People with this role and those above get these by mail, whatever they chose."""

_OPERATOR: Final = frozenset(
    {
        NoticeKind.MENTIONED,
        NoticeKind.NONE_ACCEPTED,
        NoticeKind.NOT_REACHED,
        NoticeKind.REFUSED,
        NoticeKind.OVER_CAPACITY,
        NoticeKind.ENDS_SOON,
        NoticeKind.ENDED_BY_PROVIDER,
        NoticeKind.ATTACK_OVER,
        NoticeKind.PROPOSAL,
        NoticeKind.SESSION_DOWN,
        NoticeKind.PLAN_ACTIVATED,
        NoticeKind.PLAN_LOST,
        NoticeKind.DRILL_FAILED,
    }
)
_APPROVER: Final = _OPERATOR | {NoticeKind.APPROVAL_WANTED}
_ADMIN: Final = _APPROVER | {NoticeKind.BREAK_GLASS, NoticeKind.CERTIFICATE_ENDS}
DEFAULTS: Final = {
    Role.VIEWER: frozenset({NoticeKind.MENTIONED}),
    Role.OPERATOR: _OPERATOR,
    Role.APPROVER: _APPROVER,
    Role.ADMIN: _ADMIN,
}
"""What a member gets on each channel without a choice of the own, by role. A viewer can do nothing
about the others.
"""

LEAST_ROLE: Final = {NoticeKind.APPROVAL_WANTED: Role.APPROVER}
"""The roles from which on a person can choose a kind; every other kind: all roles."""


def may_choose(kind: NoticeKind, role: Role) -> bool:
    return role.covers(LEAST_ROLE.get(kind, Role.VIEWER))


DIGEST: Final = "digest"
"""The kind of a notice that tells several others."""

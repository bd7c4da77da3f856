"""Decide whether a request can own an unknown mitigation: a pure function of its report and the
organization's resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.core.errors import Invalid
from portal.core.formatting import listed, moment
from portal.inventory.models import UnknownMitigation
from portal.inventory.queries import TERMINATING
from portal.mitigations.states import STALE_AFTER
from portal.mitigations.validation import (
    INDEFINITE,
    Checked,
    EligibleProvider,
    Policy,
    Resource,
    Submission,
    check,
    within_limits,
)
from portal.organizations.acting import name_at

MAX_NAMED: Final = 3


class NotAdoptable(Exception):
    """The reason: `code` for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptable:
    """The request that would own the mitigation."""

    checked: Checked
    "its `asked` is the scope as the provider spells it and in its order, which a refresh repeats"
    lifetime_s: int
    "the lifetime to request from this provider"


def adoptable(
    unknown: UnknownMitigation,
    *,
    provider: str,
    has_row: bool,
    resources: Sequence[Resource],
    eligible_providers: Sequence[EligibleProvider],
    policy: Policy,
    now: datetime,
) -> Adoptable:
    """Raises NotAdoptable.

    `has_row`: a mitigation in the portal's database, ended or not, has its mid.
    """
    _refuse_what_is_over(unknown, provider)
    _refuse_what_is_old(unknown, provider, now)
    _refuse_what_no_request_can_say(unknown, provider, has_row=has_row)
    eligible = next(
        (one for one in eligible_providers if one.subscription == unknown.subscription_id), None
    )
    if eligible is None:
        raise NotAdoptable("not-connected", f"{provider} is disabled for your organization.")
    may_be_indefinite = policy.may_be_indefinite and eligible.may_be_indefinite
    submission = Submission(
        prefixes=unknown.targets.prefixes,
        fqdns=unknown.targets.fqdns,
        uris=unknown.targets.uris,
        ports=unknown.ports,
        protocols=unknown.protocols,
        lifetime_s=INDEFINITE if unknown.is_indefinite and may_be_indefinite else None,
        subscriptions=(unknown.subscription_id,),
    )
    try:
        checked = check(
            submission, resources=resources, eligible_providers=[eligible], policy=policy
        )
    except Invalid as error:
        raise NotAdoptable(error.errors[0].code, error.errors[0].message) from None
    [assigned] = checked.assigned_scopes.values()
    missing = [one for one in checked.asked.texts if one not in assigned.targets]
    if missing:
        raise NotAdoptable("nobody-may-protect", f"{assigned.excluded[missing[0]]}.")
    _refuse_another_spelling(unknown, checked, provider)
    return Adoptable(checked=checked, lifetime_s=within_limits(checked.lifetime_s, eligible))


def _refuse_what_is_over(unknown: UnknownMitigation, provider: str) -> None:
    if unknown.is_over:
        raise NotAdoptable("ended", f"{provider} no longer holds it.")
    if unknown.withdrawal_asked_at is not None:
        who = (
            name_at(unknown.withdrawn_by, unknown.organization_id, unknown.withdrawal_asked_at)
            or "Someone"
        )
        raise NotAdoptable("withdrawn", f"{who} already withdrew it at {provider}.")
    if unknown.dots_status == TERMINATING:
        raise NotAdoptable("ending", f"{provider} is winding it down.")


def _refuse_what_is_old(unknown: UnknownMitigation, provider: str, now: datetime) -> None:
    # An older report may come from a backup, and its mid may now belong to another mitigation.
    if now - unknown.reported_at > STALE_AFTER:
        at = moment(unknown.reported_at, now)
        raise NotAdoptable("not-heard", f"{provider} has not reported since {at} that it holds it.")


def _refuse_what_no_request_can_say(
    unknown: UnknownMitigation, provider: str, *, has_row: bool
) -> None:
    if has_row:
        raise NotAdoptable(
            "mid-known",
            "A request here uses or used its number (mid). Request mitigation for these "
            "targets again: "
            "the new "
            "request replaces it.",
        )
    if unknown.is_preconfigured:
        raise NotAdoptable(
            "preconfigured",
            (
                f"{provider} holds it in standby, as a plan. Prepare a plan "
                f"for these targets: the plan replaces it."
            ),
        )
    aliases = unknown.targets.aliases
    if aliases:
        raise NotAdoptable(
            "aliases",
            (
                f"It names {_named(aliases)}, and the portal does not know what they "
                f"mean at {provider}."
            ),
        )
    if unknown.filters:
        raise NotAdoptable(
            "filters",
            (f"It switches {_named(unknown.filters)} at {provider}; no request here can do that."),
        )
    if not unknown.is_whole or not _is_described(unknown):
        raise NotAdoptable("not-told", f"{provider} does not report in full what it protects.")


def _refuse_another_spelling(unknown: UnknownMitigation, checked: Checked, provider: str) -> None:
    """Refuse another spelling: a refresh repeats the scope in normal form, and a provider may take
    another spelling under the mid for another scope.
    """
    kinds = (
        ("a prefix", unknown.targets.prefixes, map(str, checked.asked.prefixes)),
        ("a name", unknown.targets.fqdns, checked.asked.fqdns),
        ("a web address", unknown.targets.uris, checked.asked.uris),
    )
    for kind, held, sent in kinds:
        if set(held) != set(sent):
            raise NotAdoptable(
                "spelled-otherwise",
                f"{provider} holds {kind} in a spelling that the portal does not send. Request "
                f"mitigation for it "
                "instead: the new request replaces it.",
            )


def _is_described(unknown: UnknownMitigation) -> bool:
    targets = unknown.targets
    return bool(targets.prefixes or targets.fqdns or targets.uris)


def _named(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMED
    return listed([*names[:MAX_NAMED], *([f"{more} more"] if more > 0 else [])])

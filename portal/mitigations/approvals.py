"""Which requests a second person approves, and what exactly they approve (ADR 66). Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.accounts.actors import Actor, ActorKind
from portal.core.errors import Conflict
from portal.core.formatting import lifetime
from portal.core.targets import Targets
from portal.core.wording.ports_and_protocols import traffic_words
from portal.mitigations.failover import due
from portal.mitigations.models import Strategy
from portal.mitigations.models.columns import ApprovalPreview, PreviewedMessage
from portal.mitigations.replacement import Replaced
from portal.mitigations.validation import AssignedScope, Checked, encoded, within_limits
from portal.organizations.models import Approval, Organization


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """The rule that a request falls under."""

    cause: Approval
    larger_than: int | None = None
    "for LARGER: the length of the prefixes that need no approval"


def approval_need(organization: Organization, actor: Actor, scope: Targets) -> ApprovalNeed | None:
    """None if the request is sent at once."""
    match organization.approval:
        case Approval.ALL:
            return ApprovalNeed(Approval.ALL)
        case Approval.AUTOMATIC if actor.kind not in (ActorKind.PERSON, ActorKind.STAFF):
            return ApprovalNeed(Approval.AUTOMATIC)
        case Approval.LARGER:
            return _larger(organization, scope)
    return None


def _larger(organization: Organization, scope: Targets) -> ApprovalNeed | None:
    bounds = {4: organization.approval_prefix_v4, 6: organization.approval_prefix_v6}
    for prefix in scope.prefixes:
        if prefix.prefixlen < bounds[prefix.version]:
            return ApprovalNeed(Approval.LARGER, bounds[prefix.version])
    return None


def preview_of(checked: Checked, replaced: Sequence[Replaced]) -> ApprovalPreview:
    """What sending `checked` now would do."""
    at_once = set(checked.assigned_scopes)
    if checked.strategy == Strategy.FAILOVER:
        at_once = {one.subscription for one in due(checked.scopes, [])}
    return ApprovalPreview(
        messages=tuple(
            _message(checked, assigned, is_sent_at_once=subscription in at_once)
            for subscription, assigned in checked.assigned_scopes.items()
        ),
        replaces=tuple(sorted(one.id for one in replaced)),
        replaced=tuple(sorted({one.name for one in replaced})),
    )


def _message(
    checked: Checked, assigned: AssignedScope, *, is_sent_at_once: bool
) -> PreviewedMessage:
    lifetime_s = within_limits(checked.lifetime_s, assigned.provider)
    when = "at once" if is_sent_at_once else "only if the providers before it do not help"
    until = "until terminated" if lifetime_s < 0 else f"for {lifetime(lifetime_s)}"
    return PreviewedMessage(
        subscription=assigned.provider.subscription,
        is_sent_at_once=is_sent_at_once,
        body=encoded(
            assigned.scope,
            ports=checked.ports,
            protocols=checked.protocols,
            lifetime_s=lifetime_s,
        ).hex(),
        lines=(
            f"{assigned.provider.name}, {when}:",
            *assigned.scope.texts,
            f"{_traffic(checked)}, {until}",
        ),
    )


def _traffic(checked: Checked) -> str:
    is_any = not (checked.ports or checked.protocols)
    return "Any port" if is_any else traffic_words(checked.ports, checked.protocols)


def digest_of(preview: ApprovalPreview) -> str:
    """SHA-256 in hexadecimal of what would be sent, and of what that would end."""
    messages = [[str(one.subscription), one.is_sent_at_once, one.body] for one in preview.messages]
    text = json.dumps([messages, list(map(str, preview.replaces))])
    return hashlib.sha256(text.encode()).hexdigest()


class PreviewChanged(Conflict):
    """The request would send something else than what the approver saw. Nothing was sent."""

    code = "preview-changed"
    title = "The request would now send something else"

    def __init__(self, before: ApprovalPreview, after: ApprovalPreview) -> None:
        super().__init__(
            "Nothing was sent. The messages would differ from those that you saw: compare them, "
            "then decide again."
        )
        self.before, self.after = before, after

    @property
    def members(self) -> Mapping[str, object]:
        return {
            "preview": digest_of(self.after),
            "before": list(self.before.lines),
            "after": list(self.after.lines),
        }

"""The preview of an extension: each provider's message before and after, and the providers that get
none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from portal import wording
from portal.core.formatting import lifetime
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Membership
from portal.providers.models import SessionState
from portal.signaling.previews.extension_messages import Extension, RefreshMessage
from portal.web.frame import frame
from portal.web.rendering import FramedPage
from portal.web.requests.line_diff import ChangedLine, line_diff
from portal.web.requests.provider_cards import Chip, request_chip
from portal.web.requests.request_form import lifetime_choices
from portal.web.requests.shared import subscriptions
from portal.wording.extension_text import (
    current_lifetime,
    extended_lifetime,
    extension_points,
    gets_extension,
)
from portal.wording.from_rows.extension import WithoutMessage, without_message
from portal.wording.from_rows.mitigations import request_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChange:
    """One provider's message on the page."""

    provider: str
    headline: str
    note: str
    refresh: RefreshMessage
    so_far: str
    then: str
    why_less: str
    before: list[ChangedLine]
    after: list[ChangedLine]
    is_connected: bool

    @property
    def is_same(self) -> bool:
        return not any(line.is_changed for line in self.after)

    @property
    def size(self) -> str:
        return f"{self.refresh.after.size:,} of {self.refresh.limit:,} bytes that fit one message"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionPage(FramedPage):
    """What extending a request sends to each provider."""

    template: ClassVar = "requests/extension.html"

    request_: MitigationRequest
    chip: Chip
    lifetimes: list[tuple[str, str, bool]]
    "value, label, previewed"
    lifetime: str
    button: str
    changes: list[MessageChange]
    without_message: list[WithoutMessage]
    points: tuple[str, ...]


def first_choice(request: MitigationRequest) -> int:
    """The lifetime previewed before any is chosen: the first other than the current one."""
    offered = [int(value) for value, _ in _choices(request, "")]
    return next((one for one in offered if one != request.lifetime_s), request.lifetime_s)


def _choices(request: MitigationRequest, chosen: str) -> list[tuple[str, str]]:
    return lifetime_choices(queries.policy(request.organization), chosen)


def extension_page(
    membership: Membership, request: MitigationRequest, found: Extension, now: datetime
) -> ExtensionPage:
    organization = membership.organization
    by_id = subscriptions(organization)
    facts = request_facts(request, by_id, organization)
    mitigations = {mitigation.id: mitigation for mitigation in facts.started}
    chosen = str(found.lifetime_s)
    length = lifetime(found.lifetime_s)
    return ExtensionPage(
        frame=frame(membership, now),
        request_=request,
        chip=request_chip(facts, now),
        lifetimes=[(value, words, value == chosen) for value, words in _choices(request, chosen)],
        lifetime=chosen,
        button=f"Extend {length}" if found.lifetime_s < 0 else f"Extend for {length}",
        changes=[
            _change(mitigations[str(one.mitigation.pk)], one, request, found.lifetime_s, now)
            for one in found.messages
        ],
        without_message=without_message(
            facts,
            by_id,
            with_message=[one.mitigation.subscription_id for one in found.messages],
            lifetime_s=found.lifetime_s,
            now=now,
        ),
        points=extension_points(found.lifetime_s, renews=request.auto_renew),
    )


def _change(
    facts: wording.MitigationFacts,
    refresh: RefreshMessage,
    request: MitigationRequest,
    wished_s: int,
    now: datetime,
) -> MessageChange:
    mitigation = refresh.mitigation
    headline, note = gets_extension(facts, now)
    then, why_less = extended_lifetime(
        facts.short, wished_s=wished_s, asked_s=refresh.lifetime_s, renews=request.auto_renew
    )
    before, after = line_diff(
        _decoded(refresh.before.body) if refresh.before else "", _decoded(refresh.after.body)
    )
    return MessageChange(
        provider=facts.short,
        headline=headline,
        note=note,
        refresh=refresh,
        so_far=current_lifetime(
            mitigation.lifetime_s,
            mitigation.expires_at,
            is_confirmed=refresh.is_confirmed,
            now=now,
        ),
        then=then,
        why_less=why_less,
        before=before,
        after=after,
        is_connected=mitigation.subscription.session_state == SessionState.UP,
    )


def _decoded(body: object) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)

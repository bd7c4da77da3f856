"""The contents of the preview, and the fields that lead back to the form or on to sending."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from portal.accounts.actors import Actor
from portal.core.formatting import lifetime
from portal.core.wording.ports_and_protocols import traffic_words
from portal.mitigations.approvals import approval_need
from portal.mitigations.replacement import Proposal
from portal.organizations.models import Membership
from portal.providers.models import SessionState
from portal.signaling.previews.preview_messages import Planned, Preview
from portal.web.frame import frame
from portal.web.rendering import FramedPage
from portal.web.requests.overlaps import Overlaps, overlaps_of
from portal.web.requests.quota import quota_of
from portal.web.requests.request_form import RequestForm
from portal.wording.approvals import before_sending
from portal.wording.preview_text import effects, gets_this


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One provider's message on the page."""

    headline: str
    planned: Planned
    is_connected: bool

    @property
    def provider(self) -> str:
        return self.planned.subscription.provider.short_name

    @property
    def lifetime(self) -> str:
        return lifetime(self.planned.lifetime_s)

    @property
    def excluded(self) -> str:
        """Why some of the request is not in this message, as text; empty if all of it is."""
        reasons = dict.fromkeys(self.planned.assigned.excluded.values())
        return "; ".join(reasons)

    @property
    def size(self) -> str:
        return f"{self.planned.size:,} of {self.planned.limit:,} bytes that fit one message"

    @property
    def decoded(self) -> str:
        return json.dumps(self.planned.body, indent=2, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPage(FramedPage):
    """What will be sent to which provider, and what it may do."""

    template: ClassVar = "requests/preview.html"

    name: str
    provider_messages: list[Message]
    left_out: list[tuple[str, str]]
    "providers that are not asked, and why"
    traffic: str
    renews: bool
    effects: list[str]
    overlaps: Overlaps
    quota: str
    "the limit on live requests that sending it would exceed, and what to do; empty if none"
    approval: str
    "which rule of the policy asks a second person; empty if none does"
    typed: list[tuple[str, str]]
    "names and values of the form's fields"


def preview_page(
    membership: Membership, form: RequestForm, found: Preview, now: datetime
) -> PreviewPage:
    organization, checked = membership.organization, found.checked
    names = [one.assigned.provider.name for one in found.planned]
    overlaps = overlaps_of(organization, Proposal.of(checked), now, submission=form.submission()[0])
    need = approval_need(organization, Actor.person(membership.user), checked.scope)
    return PreviewPage(
        frame=frame(membership, now),
        here="new",
        name=checked.name,
        provider_messages=[
            Message(
                headline=gets_this(
                    one.assigned.provider.name, after=one.after, patience_s=organization.patience_s
                ),
                planned=one,
                is_connected=one.subscription.session_state == SessionState.UP,
            )
            for one in found.planned
        ],
        left_out=[(assigned.provider.name, assigned.why_not()) for assigned in found.left_out],
        traffic=traffic_words(checked.ports, checked.protocols),
        renews=checked.auto_renew,
        effects=effects(
            checked.scope,
            is_narrowed=bool(checked.ports or checked.protocols),
            names=names,
            strategy=checked.strategy,
        ),
        overlaps=overlaps,
        quota=quota_of(membership, overlaps),
        approval=before_sending(organization, need) if need else "",
        typed=typed(form),
    )


def typed(form: RequestForm) -> list[tuple[str, str]]:
    """The fields of the form as they were sent, so that nothing is lost between the two pages."""
    pairs = [
        ("key", form.key),
        *(("resources", one) for one in form.resources),
        ("other", form.other),
        ("ports", form.ports),
        *(("protocols", one) for one in form.protocols),
        ("lifetime", form.lifetime),
        ("renew", "1" if form.renew else "0"),
        ("strategy", form.strategy),
        ("reason", form.reason),
    ]
    if form.subscriptions is not None:
        pairs += [("choosing", "1"), *(("subscriptions", one) for one in form.subscriptions)]
    return pairs

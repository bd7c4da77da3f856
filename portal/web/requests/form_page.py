"""The form of a new request: what it protects, and what will happen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from django.http import QueryDict

from portal.accounts.actors import Actor
from portal.core.errors import FieldError, Invalid
from portal.core.formatting import lifetime, listed
from portal.core.targets import TargetError, Targets, both_forms, read
from portal.mitigations import queries
from portal.mitigations.approvals import approval_need
from portal.mitigations.models import MitigationRequest
from portal.mitigations.replacement import Proposal
from portal.mitigations.resubmission import joined, resubmission
from portal.mitigations.validation import EligibleProvider, Policy, check
from portal.organizations.models import Membership, Organization, ProtectedResource
from portal.web.frame import frame
from portal.web.rendering import FramedPage
from portal.web.requests.described import when_used
from portal.web.requests.eligible import Eligible, eligible, readable_scopes
from portal.web.requests.overlaps import Overlaps, overlaps_of
from portal.web.requests.quota import quota_of
from portal.web.requests.request_form import (
    RequestForm,
    lifetime_choices,
    protocol_choices,
    who_in_words,
)
from portal.web.requests.routes import route_notes
from portal.web.requests.shared import pickable
from portal.wording.approvals import before_sending

PICK_FIRST: Final = 3
FILTER_FROM: Final = 10
MAX_AGAIN: Final = 20
"""Earlier requests that may fill one form."""
MAX_TYPED_LOOKED_AT: Final = 20
"""Typed targets whose providers are named while the form is filled in; the check reads all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A resource to tick, or its problem."""

    resource: ProtectedResource
    when: str
    is_ticked: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChoice:
    """A provider to tick."""

    id: str
    name: str
    is_ticked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the form of a request, or of a plan, lets a person choose."""

    resources: list[Pick]
    "resources shown without expanding: the most recently used ones, and every ticked one"
    more_resources: list[Pick]
    protocols: list[tuple[str, str, bool]]
    "value, name, ticked"
    lifetimes: list[tuple[str, str]]
    "value, label"
    limits: str
    "the shortest lifetime limit of a provider, as text"
    providers: list[ProviderChoice]

    @property
    def has_filter(self) -> bool:
        return len(self.resources) + len(self.more_resources) >= FILTER_FROM


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage(FramedPage):
    """The form of a new request."""

    template: ClassVar = "requests/new.html"

    form: RequestForm
    choices: Choices
    is_refused: bool
    will_ask: Eligible
    has_no_provider: bool
    "there is no provider to ask"
    patience_s: int
    options: str
    "the current options as text"
    will_protect: str
    overlaps: Overlaps
    quota: str
    "the limit on live requests that sending it would exceed, and what to do; empty if none"
    needs_approval: bool
    approval: str
    "whether the policy asks a second person, as a sentence"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCheck(FormPage):
    """The part of the page that changes while the form is filled in."""

    template: ClassVar = "requests/new_checked.html"


def fresh_form(organization: Organization, choice: QueryDict) -> RequestForm:
    """An empty form, ticked as requested by a tile, or filled like an earlier request."""
    found = (_earlier(organization, text) for text in choice.getlist("again")[:MAX_AGAIN])
    earlier = [one for one in found if one is not None]
    if not earlier:
        ticked = choice.getlist("resource")[:20]
        return RequestForm.fresh(ticked=ticked, lifetime_s=organization.default_lifetime_s)
    resources = {one.id for one in queries.verified_resources(organization)}
    return RequestForm.filled(joined(*(resubmission(one, resources=resources) for one in earlier)))


def _earlier(organization: Organization, text: str) -> MitigationRequest | None:
    try:
        request_id = UUID(text)
    except ValueError:
        return None
    return queries.requests(organization, kinds=queries.EVERY_KIND).filter(pk=request_id).first()


def with_all_errors(organization: Organization, form: RequestForm, *, but: str = "") -> RequestForm:
    """Everything that is wrong, whether it could be read or not.

    `but`: the field whose errors do not count yet, if it could be read.
    """
    submission, errors = form.submission()
    try:
        check(
            submission,
            resources=queries.verified_resources(organization),
            eligible_providers=queries.eligible_providers(organization),
            policy=queries.policy(organization),
        )
    except Invalid as error:
        errors += [form.as_typed(one) for one in error.errors if one.field != but]
    return form.with_errors(errors)


def used_again(form: RequestForm, key: str) -> RequestForm:
    """The form was sent before with other values (a page from the browser's history): ask for
    confirmation.
    """
    message = "This form was already sent with other values. Send it again to make another request."
    return replace(form, key=key).with_errors([FieldError("form", "sent-before", message)])


def form_page(
    membership: Membership,
    form: RequestForm,
    now: datetime,
    *,
    is_refused: bool = False,
    quota: str = "",
    kind: type[FormPage] = FormPage,
) -> FormPage:
    """`quota`: the sentence of the limit for which sending was refused."""
    organization = membership.organization
    eligible_providers = queries.eligible_providers(organization)
    picks = _picks(organization, form, now)
    submission, _ = form.submission()
    chosen = [provider for provider in eligible_providers if _is_ticked(provider, form)]
    targets = [
        *(pick.resource.value for pick in picks if pick.is_ticked),
        *form.tokens[:MAX_TYPED_LOOKED_AT],
    ]
    port_ranges = len(submission.ports)
    will_ask = eligible(chosen, targets, strategy=form.strategy, port_ranges=port_ranges)
    scopes = readable_scopes(chosen, targets, port_ranges=port_ranges)
    notes = (*will_ask.notes, *route_notes(organization, chosen, scopes, now))
    will_ask = replace(will_ask, notes=notes)
    proposal = Proposal(
        scopes=scopes,
        ports=[one for one in submission.ports if one.lower <= one.upper],
        protocols=submission.protocols,
        strategy=form.strategy,
    )
    overlaps = overlaps_of(organization, proposal, now, submission=submission)
    need = approval_need(
        organization, Actor.person(membership.user), Targets.union(scopes.values())
    )
    return kind(
        frame=frame(membership, now),
        here="new",
        form=form,
        choices=_choices(form, picks, eligible_providers, queries.policy(organization)),
        is_refused=is_refused,
        will_ask=will_ask,
        has_no_provider=not eligible_providers,
        patience_s=organization.patience_s,
        options=form.options_in_words(_who(will_ask, form.strategy)),
        will_protect=listed(_targets_of(form, picks)),
        overlaps=overlaps,
        quota=quota or quota_of(membership, overlaps),
        needs_approval=need is not None,
        approval=before_sending(organization, need),
    )


def choices_of(organization: Organization, form: RequestForm, now: datetime) -> Choices:
    return _choices(
        form,
        _picks(organization, form, now),
        queries.eligible_providers(organization),
        queries.policy(organization),
    )


def _choices(
    form: RequestForm, picks: list[Pick], providers: Sequence[EligibleProvider], policy: Policy
) -> Choices:
    first = [pick for index, pick in enumerate(picks) if index < PICK_FIRST or pick.is_ticked]
    return Choices(
        resources=first,
        more_resources=[pick for pick in picks if pick not in first],
        protocols=protocol_choices(form),
        lifetimes=lifetime_choices(policy, form.lifetime),
        limits=_limits(providers),
        providers=[
            ProviderChoice(id=str(one.subscription), name=one.name, is_ticked=_is_ticked(one, form))
            for one in providers
        ],
    )


def _is_ticked(provider: EligibleProvider, form: RequestForm) -> bool:
    return form.subscriptions is None or str(provider.subscription) in form.subscriptions


def _picks(organization: Organization, form: RequestForm, now: datetime) -> list[Pick]:
    return [_pick(one, form, now) for one in pickable(organization)]


def _pick(resource: ProtectedResource, form: RequestForm, now: datetime) -> Pick:
    problem = resource.problem
    return Pick(
        resource=resource,
        when=when_used(resource.last_used_at, now),
        is_ticked=str(resource.pk) in form.resources and not problem,
        problem=problem,
    )


def _who(will_ask: Eligible, strategy: str) -> str:
    if will_ask.is_split:
        return f"{listed(will_ask.at_once)} at once, each for its own targets"
    return who_in_words(will_ask.providers, strategy)


def _limits(eligible_providers: Iterable[EligibleProvider]) -> str:
    known = [
        (eligible.max_lifetime_s, eligible.name)
        for eligible in eligible_providers
        if eligible.max_lifetime_s is not None
    ]
    if not known:
        return ""
    longest, provider = min(known)
    return f"At most {lifetime(longest)} at {provider}."


def _targets_of(form: RequestForm, picks: Sequence[Pick]) -> list[str]:
    typed = [] if "other" in form.wrong else form.tokens[:MAX_TYPED_LOOKED_AT]
    every = [pick.resource.value for pick in picks if pick.is_ticked] + typed
    return [both_forms(_normal(one)) for one in every]


def _normal(text: str) -> str:
    """The normal form of a typed target; an unreadable one is returned as typed."""
    try:
        return str(read(text))
    except TargetError:
        return text

"""The form of a new request: what shall be protected, and what will happen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.http import QueryDict

from portal.core.errors import FieldError, Invalid
from portal.core.formatting import in_words, lifetime, listed
from portal.core.targets import IPNetwork, TargetError, parse_prefix
from portal.mitigations import presentation, queries, wording
from portal.mitigations.forms import (
    RequestForm,
    lifetime_choices,
    protocol_choices,
    who_in_words,
)
from portal.mitigations.models import MitigationRequest
from portal.mitigations.pages.eligible import Eligible, eligible
from portal.mitigations.pages.shared import frame, pickable, subscriptions
from portal.mitigations.validation import Ask, check
from portal.organizations.models import Membership, Organization, ProtectedResource

PICK_FIRST: Final = 3
FILTER_FROM: Final = 10
MAX_TYPED_LOOKED_AT: Final = 20
"""Typed targets whose providers are named while the form is filled in; the check looks at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A resource to tick, unless there is a problem with it."""

    resource: ProtectedResource
    when: str
    is_ticked: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A provider to tick."""

    id: str
    name: str
    is_ticked: bool


def fresh_form(organization: Organization, choice: QueryDict) -> RequestForm:
    """An empty form; ticked as a tile asked, or filled like an earlier request."""
    form = RequestForm.fresh(
        ticked=choice.getlist("resource")[:20], lifetime_s=organization.default_lifetime_s
    )
    again = _earlier(organization, choice.get("again", ""))
    if again is None:
        return form
    typed = again.asked
    return replace(
        form,
        resources=tuple(str(one.pk) for one in again.resources.all()),
        other=", ".join([*typed["prefixes"], *typed["fqdns"], *typed["uris"]]),
        ports=", ".join(
            str(port["lower"])
            if port["lower"] == port["upper"]
            else f"{port['lower']}–{port['upper']}"
            for port in again.ports
        ),
        protocols=tuple(str(one) for one in again.protocols),
        lifetime=str(again.lifetime_s),
        renew=again.auto_renew,
        strategy=again.strategy,
        reason=again.reason,
    )


def _earlier(organization: Organization, text: str) -> MitigationRequest | None:
    try:
        request_id = UUID(text)
    except ValueError:
        return None
    return queries.requests(organization).filter(pk=request_id).first()


def all_wrong(organization: Organization, form: RequestForm) -> RequestForm:
    """Everything that is wrong, whether it could be read or not."""
    submission, errors = form.submission()
    try:
        check(
            submission,
            resources=queries.verified_resources(organization),
            asks=queries.asks(organization),
            policy=queries.policy(organization),
        )
    except Invalid as error:
        errors += [form.as_typed(one) for one in error.errors]
    return form.with_errors(errors)


def used_again(form: RequestForm, key: str) -> RequestForm:
    """The form was sent before with other values (a page from the browser's history): ask once more."""
    message = "This form was sent before, with other values. Send it again to make another request."
    return replace(form, key=key).with_errors([FieldError("form", "sent-before", message)])


def form_page(
    membership: Membership, form: RequestForm, now: datetime, *, is_refused: bool = False
) -> dict[str, Any]:
    organization = membership.organization
    policy = queries.policy(organization)
    asks = queries.asks(organization)
    picks = [_pick(one, form, now) for one in pickable(organization)]
    chosen = [
        ask
        for ask in asks
        if form.subscriptions is None or str(ask.subscription) in form.subscriptions
    ]
    submission, _ = form.submission()
    asked = eligible(
        chosen,
        [
            *(pick.resource.value for pick in picks if pick.is_ticked),
            *form.tokens[:MAX_TYPED_LOOKED_AT],
        ],
        strategy=form.strategy,
        port_ranges=len(submission.ports),
    )
    who = _who(asked, form.strategy)
    first = [pick for index, pick in enumerate(picks) if index < PICK_FIRST or pick.is_ticked]
    return {
        "frame": frame(membership, now),
        "here": "new",
        "form": form,
        "wrong": form.wrong,
        "is_refused": is_refused,
        "things": in_words(len(form.errors)),
        "picks": first,
        "more_picks": [pick for pick in picks if pick not in first],
        "has_filter": len(picks) >= FILTER_FROM,
        "protocols": protocol_choices(form),
        "lifetimes": lifetime_choices(policy, form.lifetime),
        "limits": _limits(asks),
        "choices": [
            Choice(
                id=str(ask.subscription),
                name=ask.provider,
                is_ticked=form.subscriptions is None or str(ask.subscription) in form.subscriptions,
            )
            for ask in asks
        ],
        "asked": asked,
        "patience_s": organization.patience_s,
        "who": who,
        "options": form.options_in_words(who),
        "will_protect": listed(_targets_of(form, picks)),
        "overlaps": _overlaps(organization, form, picks, now),
    }


def _pick(resource: ProtectedResource, form: RequestForm, now: datetime) -> Pick:
    problem = resource.problem
    return Pick(
        resource=resource,
        when=presentation.when_used(resource.last_used_at, now),
        is_ticked=str(resource.pk) in form.resources and not problem,
        problem=problem,
    )


def _who(asked: Eligible, strategy: str) -> str:
    if asked.is_split:
        return f"{listed(asked.at_once)} at once, each for its own targets"
    return who_in_words(asked.providers, strategy)


def _limits(asks: Iterable[Ask]) -> str:
    known = [(ask.max_lifetime_s, ask.provider) for ask in asks if ask.max_lifetime_s is not None]
    if not known:
        return ""
    longest, provider = min(known)
    return f"At most {lifetime(longest)} at {provider}."


def _targets_of(form: RequestForm, picks: Sequence[Pick]) -> list[str]:
    typed = [] if "other" in form.wrong else form.tokens[:MAX_TYPED_LOOKED_AT]
    return [pick.resource.value for pick in picks if pick.is_ticked] + typed


def _overlaps(
    organization: Organization, form: RequestForm, picks: Sequence[Pick], now: datetime
) -> list[dict[str, Any]]:
    """Live requests for the same addresses: said, never forbidden."""
    networks: list[IPNetwork] = []
    for text in _targets_of(form, picks):
        try:
            networks.append(parse_prefix(text))
        except TargetError:
            continue
    if not networks:
        return []
    by_id = subscriptions(organization)
    return [
        {
            "request": one,
            "word": wording.look(presentation.asked_of(one, by_id, organization), now).word.lower(),
        }
        for one in queries.overlapping(organization, networks)
    ]

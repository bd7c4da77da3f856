"""What a member chose to get, and when: each change is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from portal.accounts.actors import Actor
from portal.audit.recording import Object, record_entry
from portal.audit.verbs import Verb
from portal.core.errors import FieldError, Invalid, NotFound
from portal.notifications.kinds import (
    AT_ONCE,
    DEFAULTS,
    DIGEST,
    NoticeKind,
    may_choose,
)
from portal.notifications.models import NoticeChoice, QuietHours
from portal.notifications.receivers import EMAIL, is_always_mailed, member, person_channels
from portal.notifications.retries import Quiet, quiet_texts
from portal.organizations.models import Membership, Role

Chosen = tuple[str, str]
"""A kind of notice and a kind of channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeCell:
    """One cell of the table of kinds and channels."""

    kind: NoticeKind
    channel_kind: str
    is_wanted: bool
    is_default: bool
    "the person did not choose it"
    is_fixed: bool
    "the person always gets it by mail"


def choices_of(membership: Membership) -> list[NoticeCell]:
    """All that the member may choose, kind by kind."""
    own, role = member(membership), Role(membership.role)
    return [
        NoticeCell(
            kind=kind,
            channel_kind=channel_kind,
            is_wanted=own.wants(kind, channel_kind),
            is_default=(kind, channel_kind) not in own.choices,
            is_fixed=is_always_mailed(kind, channel_kind, role),
        )
        for kind in NoticeKind
        if may_choose(kind, role)
        for channel_kind in person_channels
    ]


def quiet_hours_of(membership: Membership) -> Quiet | None:
    return member(membership).quiet


@transaction.atomic
def choose(membership: Membership, *, actor: Actor | None, wanted: Mapping[Chosen, bool]) -> None:
    """Save what differs from what is saved. Raises Invalid with every wrong choice, and NotFound
    for a person who is no member now.

    `actor` None: the link in a mail, which its reader used without signing in.
    """
    found = _locked(membership)
    errors = list(_wrong(wanted, Role(found.role)))
    if errors:
        raise Invalid("Nothing was saved.", errors=errors)
    before, after = _change(found, wanted)
    _record(found, actor, before, after)


@transaction.atomic
def set_quiet_hours(membership: Membership, *, actor: Actor, quiet: Quiet | None) -> None:
    """None: no quiet hours. Raises Invalid if they begin when they end, and NotFound for a person
    who is no member now.
    """
    found = _locked(membership)
    if quiet is not None and quiet[0] == quiet[1]:
        words = "Quiet hours begin and end at different times."
        error = FieldError("quiet_hours.ends", "no-length", words)
        raise Invalid("Nothing was saved.", errors=[error])
    saved = quiet_hours_of(found)
    if saved == quiet:
        return
    if quiet is None:
        QuietHours.objects.filter(membership=found).delete()
    else:
        hours = {"begins": quiet[0], "ends": quiet[1]}
        QuietHours.objects.update_or_create(membership=found, defaults=hours)
    before, after = {"quiet_hours": _as_text(saved)}, {"quiet_hours": _as_text(quiet)}
    _record(found, actor, before, after)


def _locked(membership: Membership) -> Membership:
    rows = Membership.objects.select_for_update(of=("self",)).select_related("user")
    found = rows.filter(pk=membership.pk).first()
    if found is None:
        raise NotFound
    return found


def _record(
    membership: Membership,
    actor: Actor | None,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    if after:
        record_entry(
            Verb.NOTICES_CHOSEN,
            organization_id=membership.organization_id,
            actor=actor or Actor.person(membership.user),
            about=Object("person", membership.user_id, membership.user.username),
            before=before,
            after=after,
        )


def _wrong(wanted: Mapping[Chosen, bool], role: Role) -> Iterator[FieldError]:
    for at, (kind, channel_kind) in enumerate(wanted):
        if kind not in list(NoticeKind) or not may_choose(NoticeKind(kind), role):
            words = "There is no such kind of notice for your role."
            yield FieldError(f"choices.{at}.kind", "not-a-choice", words)
        elif channel_kind not in person_channels:
            words = "There is no such channel for people."
            yield FieldError(f"choices.{at}.channel", "not-a-choice", words)
        elif is_always_mailed(kind, channel_kind, role):
            words = "The portal always mails this to the people that it concerns."
            yield FieldError(f"choices.{at}.channel", "always-mailed", words)


def _change(
    membership: Membership, wanted: Mapping[Chosen, bool]
) -> tuple[dict[str, object], dict[str, object]]:
    own = member(membership)
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    for (kind, channel_kind), is_wanted in wanted.items():
        was_wanted = own.wants(NoticeKind(kind), channel_kind)
        if was_wanted == is_wanted:
            continue
        saved = membership.notice_choices.filter(kind=kind, channel_kind=channel_kind)
        saved.delete()
        if is_wanted != (kind in DEFAULTS[Role(membership.role)]):
            NoticeChoice.objects.create(
                membership=membership, kind=kind, channel_kind=channel_kind, is_wanted=is_wanted
            )
        name = f"{kind}:{channel_kind}"
        before[name], after[name] = was_wanted, is_wanted
    return before, after


def _as_text(quiet: Quiet | None) -> str:
    return "-".join(quiet_texts(quiet)) if quiet else ""


def kinds_of_link(kind: str, role: Role) -> Sequence[NoticeKind]:
    """The kinds that the link in a mail stops: one, or for a digest all that a digest may tell."""
    if kind == DIGEST:
        waiting = (one for one in NoticeKind if one not in AT_ONCE)
        return [one for one in waiting if not is_always_mailed(one, EMAIL, role)]
    known = kind in list(NoticeKind) and may_choose(NoticeKind(kind), role)
    return [NoticeKind(kind)] if known and not is_always_mailed(kind, EMAIL, role) else []

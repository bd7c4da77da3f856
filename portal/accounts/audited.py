"""Record what happens to a person's account in the audit of each organization of the person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from django_otp.models import Device

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.accounts.signals import organizations_asked
from portal.audit.models import PORTAL_CHAIN
from portal.audit.origin import Origin, current_origin, current_user, factor_of
from portal.audit.recording import Object, record_entries
from portal.audit.refusals import record_refusal
from portal.audit.verbs import Verb


def record_about(
    verb: Verb,
    user: User,
    *,
    actor: Actor | None,
    about: Object | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    address: str = "",
    factor: Device | None = None,
) -> None:
    """One entry in each organization of `user`; in the portal's chain for its staff, and for a
    person without an organization.

    `actor` None: a person with a shell. `address` and `factor` replace those of the current
    request, which has no factor yet while someone signs in.
    """
    known = current_origin()
    record_entries(
        verb,
        chains_of(user.username, is_staff=user.is_staff),
        actor=actor,
        about=about or Object("person", user.pk, user.username),
        before=before,
        after=after,
        is_by_staff=actor is None or _acts_as_staff(actor, user),
        origin=Origin(
            address or known.address, factor_of(factor) if factor else known.factor, known.token
        ),
    )


def record_refused_sign_in(verb: Verb, username: str, *, address: str, step: str) -> None:
    """`username`: of a person who exists, or empty. The same number of statements for both."""
    is_staff = User.objects.filter(username=username, is_staff=True).exists()
    record_refusal(
        verb,
        chains_of(username, is_staff=is_staff),
        actor=None,
        about=Object("person", "", username),
        after={"step": step},
        origin=Origin(address),
    )


def current_actor() -> Actor | None:
    """The person of the current request; None outside of one, where a person with a shell acts."""
    user = current_user()
    return Actor.person(user) if isinstance(user, User) else None


def chains_of(username: str, *, is_staff: bool) -> list[UUID]:
    answers = organizations_asked.send(sender=User, username=username)
    own: list[UUID] = [
        one for _, organizations in answers for one in cast(list[UUID], organizations)
    ]
    return [*own, PORTAL_CHAIN] if is_staff or not own else own


def _acts_as_staff(actor: Actor, user: User) -> bool:
    return actor.user is not None and actor.user.is_staff and actor.user.pk != user.pk

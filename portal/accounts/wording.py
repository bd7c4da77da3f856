"""The names of actors, as text."""

from __future__ import annotations

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.models import User


def who(actor: Actor) -> str:
    """ "alice", "the alert source FastNetMon", "the portal's policy": inside a sentence."""
    match actor.kind:
        case ActorKind.PERSON | ActorKind.STAFF | ActorKind.PROVIDER:
            return actor.name
        case ActorKind.SERVICE_TOKEN:
            return f"the token ‘{actor.name}’"
        case ActorKind.ALERT_SOURCE:
            return f"the alert source {actor.name}"
        case ActorKind.POLICY:
            return "the portal's policy"
        case ActorKind.PORTAL:
            return "the portal"


def who_first(actor: Actor) -> str:
    """The same, at the start of a sentence."""
    words = who(actor)
    is_name = actor.kind in (ActorKind.PERSON, ActorKind.STAFF, ActorKind.PROVIDER)
    return words if is_name else f"{words[:1].upper()}{words[1:]}"


def name_of(person: User | None) -> str:
    """The name of a person in a row that does not say how the person acted; empty for none."""
    if person is None:
        return ""
    return f"staff {person.username}" if person.is_staff else person.username

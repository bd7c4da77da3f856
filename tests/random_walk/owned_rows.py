"""Which rows belong to which organization, found by the foreign keys of all models."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db.models import CharField, Field, ForeignKey, Model, TextField

from portal.accounts.models import User
from portal.organizations.models import Membership, Organization

ORGANIZATION_COLUMNS: Final = ("organization_id", "chain")
"""Plain UUIDs that name an organization."""
ABOUT_PEOPLE: Final = ("accounts", "sso", "django_otp_webauthn", "account", "socialaccount")
NOT_BRANDED: Final = {
    "slug": "it is in every URL that people type",
    "value": "a resource is a network or a name",
    "username": "it is made with a canary",
    "certificate_chain": "it is parsed",
    "signing_request": "it is parsed",
    "password": "a hash",
    "access_epoch": "it ends sessions",
    "credential": "a hash",
    "allowed_networks": "it is parsed",
    "session_refusal": "a code",
    "session_transport": "a code",
    "redirection_ignored": "a code",
    "refusal_code": "a code",
    "efficacy_code": "a code",
    "unreadable_code": "a code",
    "credential_type": "a code",
    "aaguid": "a code",
    "refusal": "a code",
    "kind": "a code",
    "code": "a code",
    "verb": "a code",
    "actor_kind": "a code",
    "object_kind": "a code",
    "consumer": "a code",
    "type": "a code",
}
"""Text columns that keep what they have, and why."""
_DIGESTS: Final = ("digest", "hash", "token", "token_key", "hint", "key", "handle_hex")


@cache
def owners() -> dict[type[Model], str]:
    """Each model whose rows belong to one organization or to its people, with the path to it:
    `organization_id` or `user__` and so on.
    """
    found: dict[type[Model], str] = {Organization: "pk", User: "user"}
    waiting = [model for model in apps.get_models() if model not in found]
    for model in list(waiting):
        columns = {field.attname for field in model._meta.concrete_fields}
        named = [one for one in ORGANIZATION_COLUMNS if one in columns]
        if named:
            found[model] = named[0]
            waiting.remove(model)
    while True:
        linked = {model: path for model in waiting if (path := _path(model, found))}
        if not linked:
            return found
        found |= linked
        waiting = [model for model in waiting if model not in linked]


def _path(model: type[Model], found: dict[type[Model], str]) -> str:
    keys = [one for one in model._meta.concrete_fields if isinstance(one, ForeignKey)]
    for key in sorted(keys, key=lambda one: one.null):
        target = key.related_model
        if isinstance(target, type) and target in found:
            if target is User:
                is_of_person = model._meta.app_label in ABOUT_PEOPLE
                return "user" if is_of_person and key.name == "user" else ""
            return f"{key.name}__{found[target]}".replace("__pk", "_id")
    return ""


def rows_of(model: type[Model], organization: UUID) -> Any:
    """The rows of one organization; of people, those who are members of no other one."""
    path = owners()[model]
    if path.endswith("user") and "organization" not in path:
        prefix = path.removesuffix("user")
        own = "pk" if model is User else f"{prefix}user"
        return model._default_manager.filter(**{f"{own}__in": people_of(organization)})
    return model._default_manager.filter(**{path: organization})


@cache
def people_of(organization: UUID) -> list[UUID]:
    """As it was when first asked: who joins a second organization later stays in the list."""
    memberships: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for user, own in Membership.objects.values_list("user_id", "organization_id"):
        memberships[user].add(own)
    return [user for user, own in memberships.items() if own == {organization}]


def text_columns(model: type[Model]) -> Iterable[Field[Any, Any]]:
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, CharField | TextField)
        is_kept = field.name in NOT_BRANDED or field.name.endswith(_DIGESTS)
        if is_text and not field.choices and not is_kept and not field.primary_key:
            yield field


def digest_of(model: type[Model], organization: UUID) -> str:
    """A hash of all columns of all rows of the organization."""
    rows = sorted(map(repr, rows_of(model, organization).values_list()))
    return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()


@cache
def model_of_table() -> dict[str, type[Model]]:
    return {model._meta.db_table: model for model in owners()}

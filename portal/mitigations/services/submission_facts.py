"""All that a plain submission depends on, read from PostgreSQL with one statement.

Nothing is remembered between two submissions but the Python form of equal text. So a right, a
provider or a resource that ends, ends with its commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connection

from portal.accounts.actors import Actor
from portal.core.json_value import read_json
from portal.core.targets import IPNetwork, Target
from portal.events.models import EventCounter
from portal.mitigations import queries
from portal.mitigations.models import MitigationRequest
from portal.mitigations.services.quota_check import NOT_OVER, RequestGroup
from portal.mitigations.unknown import unknown_table
from portal.mitigations.validation import EligibleProvider, Resource
from portal.organizations.idempotency import Call, is_saved
from portal.organizations.models import Organization, ProtectedResource
from portal.organizations.policy import PolicyValues
from portal.providers.models import Provider, Subscription

MAX_KEPT_LENGTH: Final = 64 * 1024
"""Characters of the longest text whose Python form is kept: about 500 resources."""
MAX_KEPT: Final = 64
"""Organizations."""

PROVIDER: Final = (
    "id",
    "name",
    "short_name",
    "max_lifetime_s",
    "max_targets",
    "may_be_indefinite",
    "max_port_ranges",
    "longest_prefix_v4",
    "longest_prefix_v6",
    "takes_names",
)
"""The columns of a provider that the check and the answer need."""
POLICY: Final = tuple(one.name for one in fields(PolicyValues))


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one organization, at one moment."""

    log_version: str
    """changes with each transaction that locks the organization's log, so with each event"""
    is_special: bool
    """the call may be a repeated one, or a provider holds an unknown mitigation"""
    policy: Sequence[Any]
    """the values of POLICY"""
    groups: Sequence[RequestGroup]
    resources: Sequence[Resource]
    eligible_providers: Sequence[EligibleProvider]
    rows: dict[UUID, Sequence[Any]]
    """the values of PROVIDER, by subscription"""

    def is_policy_of(self, organization: Organization) -> bool:
        """Whether `organization`, which was read before, has the policy of this moment."""
        return self.policy == [getattr(organization, name) for name in POLICY]

    def subscription(self, subscription_id: UUID) -> Subscription:
        """With its provider. It reads other columns when they are needed."""
        return _subscription(subscription_id, self.rows[subscription_id])


def facts_of(organization: Organization, call: Call, actor: Actor) -> Facts | None:
    """None if the organization has no log yet."""
    is_used, identity = is_saved(call, actor)
    own = organization.pk
    with connection.cursor() as cursor:
        cursor.execute(_statement(is_used), [own, own, own, own, *identity, own, own])
        version, providers, resources, groups, is_special, policy = cursor.fetchone()
    if version is None:
        return None
    is_short = len(providers) + len(resources) <= MAX_KEPT_LENGTH
    read = _read if is_short else _read.__wrapped__
    return Facts(
        version, is_special, json.loads(policy), _groups(groups), *read(providers, resources)
    )


def _groups(text: str) -> list[RequestGroup]:
    return [
        (kind, status, None if person is None else UUID(person), origin, name, count)
        for kind, status, person, origin, name, count in json.loads(text)
    ]


@lru_cache(maxsize=MAX_KEPT)
def _read(
    providers: str, resources: str
) -> tuple[list[Resource], list[EligibleProvider], dict[UUID, Sequence[Any]]]:
    rows: dict[UUID, Sequence[Any]] = {}
    eligible = []
    for subscription_id, limited_to, *row in json.loads(providers):
        row[0] = UUID(row[0])
        rows[UUID(subscription_id)] = row
        subscription = _subscription(UUID(subscription_id), row)
        subscription.limited_to = read_json(limited_to, tuple[IPNetwork, ...])
        eligible.append(queries.eligible_provider(subscription))
    verified = [
        Resource(id=UUID(key), name=name, target=Target.saved(kind, value))
        for key, name, kind, value in json.loads(resources)
    ]
    return verified, eligible, rows


def _subscription(subscription_id: UUID, provider: Sequence[Any]) -> Subscription:
    found = Subscription.from_db(
        connection.alias, ["id", "provider_id"], [subscription_id, provider[0]]
    )
    found.provider = Provider.from_db(connection.alias, PROVIDER, provider)
    return found


def _table(model: Any) -> str:
    return str(model._meta.db_table)


@cache
def _statement(is_used: str) -> str:
    provider = ", ".join(f"p.{one}" for one in PROVIDER)
    not_over = ", ".join(f"'{one}'" for one in NOT_OVER)
    group = "kind, status, created_by_id, origin, origin_name"
    return f"""SELECT
  (SELECT xmin::text FROM {_table(EventCounter)} WHERE organization_id = %s),
  (SELECT coalesce(json_agg(
      json_build_array(s.id, s.limited_to, {provider}) ORDER BY s.priority, s.id), '[]')::text
    FROM {_table(Subscription)} s JOIN {_table(Provider)} p ON p.id = s.provider_id
    WHERE s.organization_id = %s AND s.enabled),
  (SELECT coalesce(json_agg(
      json_build_array(id, name, kind, value) ORDER BY last_used_at DESC NULLS LAST, name, id),
      '[]')::text
    FROM {_table(ProtectedResource)} WHERE organization_id = %s AND verified_at IS NOT NULL),
  (SELECT coalesce(json_agg(json_build_array({group}, count)), '[]')::text FROM (
    SELECT {group}, count(*) FROM {_table(MitigationRequest)}
    WHERE organization_id = %s AND status IN ({not_over}) GROUP BY {group}) AS present),
  {is_used} OR EXISTS (
    SELECT 1 FROM {unknown_table()} WHERE organization_id = %s AND ended_at IS NULL),
  (SELECT json_build_array({", ".join(POLICY)})::text FROM {_table(Organization)} WHERE id = %s)
"""  # noqa: S608 (our own names)

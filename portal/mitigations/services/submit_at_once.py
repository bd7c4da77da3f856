"""Commit a plain submission with one statement (ADR 57).

Plain: help now, for a member, from one provider first, nothing replaced, no second call with its
key, a free quota. `submit` does everything else, step by step under locks. A submission is never
refused here: only under the locks, from rows that cannot change.

The statement writes only if nothing has locked the organization's log since the facts were read, so
if they still hold. This is optimistic locking with the row's `xmin`, the transaction that wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db import DataError, IntegrityError, connection
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.core.broadcast import broadcast_on_commit, wake_on_commit
from portal.core.errors import Invalid
from portal.core.insert_select import insert_select
from portal.core.json_value import UnreadableValueError
from portal.core.target_overlap import may_overlap, overlap_parameters
from portal.events.log import event_row
from portal.events.models import EventCounter, EventType
from portal.mitigations import queries
from portal.mitigations.approvals import approval_need
from portal.mitigations.failover import due
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Strategy, Wanted
from portal.mitigations.services.create import new_request, submitted_data
from portal.mitigations.services.quota_check import has_room
from portal.mitigations.services.start_and_end import mitigation_row
from portal.mitigations.services.submission_facts import Facts, facts_of
from portal.mitigations.states import ACTIVE, REQUEST_TERMINAL, SET_BACK, TERMINAL, Status
from portal.mitigations.validation import Checked, Submission, check
from portal.organizations.access import has_role
from portal.organizations.idempotency import Call
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription

MAX_TRIES: Final = 3
"""While the log of the organization grows quickly, as reports of its providers are saved, the facts
may change before the statement. Reading them again costs less than the locks.
"""


def submit_at_once(
    organization: Organization, actor: Actor, submission: Submission, call: Call
) -> MitigationRequest | None:
    """The request as committed; None if nothing was written and `submit` must decide."""
    if connection.vendor != "postgresql" or organization.suspended_at is not None:
        return None
    if actor.acting is not None:
        # Whether staff may still act is decided under the lock.
        return None
    # `submit` finds the same again, and says what is wrong.
    with suppress(Invalid, UnreadableValueError, DataError, IntegrityError):
        for _ in range(MAX_TRIES):
            facts = facts_of(organization, call, actor)
            if facts is None or facts.is_special or not facts.is_policy_of(organization):
                return None
            if not has_room(organization, actor, facts.groups):
                return None
            checked = check(
                submission,
                resources=facts.resources,
                eligible_providers=facts.eligible_providers,
                policy=queries.policy_without_admins(organization),
            )
            if approval_need(organization, actor, checked.scope):
                return None
            first = _first(checked)
            if first is None:
                return None
            request = _commit(organization, actor, checked, first, call, facts)
            if request is not None:
                return request
    return None


def _first(checked: Checked) -> UUID | None:
    """The subscription that is asked first; None if several are."""
    first = list(checked.assigned_scopes)
    if checked.strategy == Strategy.FAILOVER:
        first = [one.subscription for one in due(checked.scopes, [])]
    return first[0] if len(first) == 1 else None


def _commit(
    organization: Organization,
    actor: Actor,
    checked: Checked,
    subscription_id: UUID,
    call: Call,
    facts: Facts,
) -> MitigationRequest | None:
    now = timezone.now()
    request = new_request(organization=organization, actor=actor, checked=checked, now=now)
    mitigation = mitigation_row(request, checked.assigned_scopes[subscription_id], now=now)
    event = event_row(
        organization_id=organization.pk,
        type=EventType.REQUEST_SUBMITTED,
        at=now,
        request=request,
        actor=actor,
        data=submitted_data(request),
    )
    key = call.key_of(request.pk, now)
    steps = [
        ("request", *insert_select(request, "numbered")),
        ("mitigation", *insert_select(mitigation, "numbered", mid="numbered.mid")),
        ("event", *insert_select(event, "counter, numbered", seq="counter.last_seq")),
    ]
    if key is not None:
        steps.append(("key", *insert_select(key, "numbered")))
    if checked.resources:
        steps += _use_resources(organization, request, checked.resources)
    is_allowed, rights = has_role(organization.pk, actor)
    conditions = [organization.pk, facts.log_version, organization.pk, *rights]
    conditions += _overlap_parameters(organization, checked)
    parameters = [*conditions, subscription_id, subscription_id]
    for _, _, values in steps:
        parameters += values
    with connection.cursor() as cursor:
        cursor.execute(
            _statement(is_allowed, tuple((name, sql) for name, sql, _ in steps)), parameters
        )
        row = cursor.fetchone()
    if row is None:
        return None
    event.seq, mitigation.mid = row
    wake_on_commit(subscription_id, mitigation.pk)
    broadcast_on_commit(organization.pk, event.as_message())
    mitigation.subscription = facts.subscription(subscription_id)
    return _as_committed(request, mitigation, checked.resources)


@cache
def _statement(is_allowed: str, steps: tuple[tuple[str, str], ...]) -> str:
    """Later steps read `counter` and `numbered`, so all write or none does, in the order of
    docs/locking.md: first the counter, then the subscription.
    """
    written = ",\n".join(f"{name} AS ({sql})" for name, sql in steps)
    subscriptions = Subscription._meta.db_table
    return f"""WITH counter AS (
  UPDATE {EventCounter._meta.db_table} SET last_seq = last_seq + 1
  WHERE organization_id = %s AND xmin = %s::xid
    AND NOT EXISTS (SELECT 1 FROM {Organization._meta.db_table}
      WHERE id = %s AND suspended_at IS NOT NULL)
    AND {is_allowed}
    AND NOT EXISTS ({_overlap()})
    AND EXISTS (SELECT 1 FROM {subscriptions} WHERE id = %s)
  RETURNING last_seq),
numbered AS (
  UPDATE {subscriptions} AS subscription SET next_mid = next_mid + 1
  FROM counter WHERE subscription.id = %s
  RETURNING next_mid - 1 AS mid),
{written}
SELECT counter.last_seq, numbered.mid FROM counter, numbered"""  # noqa: S608 (our own names)


@cache
def _overlap() -> str:
    """Any mitigation of `queries.replaceable` that may share a target with the request."""
    return f"""SELECT 1 FROM {Mitigation._meta.db_table} AS m
  JOIN {MitigationRequest._meta.db_table} AS r ON r.id = m.request_id
  WHERE m.organization_id = %s AND m.subscription_id = ANY(%s::uuid[])
    AND m.wanted = '{Wanted.ACTIVE}'
    AND NOT (m.status IN ({_literals(TERMINAL)})) AND m.status <> '{Status.TERMINATING}'
    AND r.terminate_asked_at IS NULL AND NOT (r.status IN ({_literals(REQUEST_TERMINAL)}))
    AND (r.kind = '{RequestKind.IMMEDIATE}'
      OR r.kind = '{RequestKind.STANDBY}' AND m.status IN ({_literals(ACTIVE)}))
    AND NOT (m.status IN ({_literals(SET_BACK)}) AND NOT r.has_gap)
    AND {may_overlap("m.scope")}"""  # noqa: S608 (our own names)


def _literals(values: Iterable[str]) -> str:
    return ", ".join(f"'{one}'" for one in values)


def _overlap_parameters(organization: Organization, checked: Checked) -> Sequence[Any]:
    asked = list(checked.assigned_scopes)
    return [organization.pk, asked, *overlap_parameters(checked.scope)]


def _use_resources(
    organization: Organization, request: MitigationRequest, resources: Sequence[UUID]
) -> list[tuple[str, str, list[Any]]]:
    ids = list(resources)
    through = MitigationRequest.resources.through._meta.db_table
    return [
        (
            "ticked",
            f"INSERT INTO {through} (mitigationrequest_id, protectedresource_id)"  # noqa: S608 (our own names)
            " SELECT %s, ticked FROM numbered, unnest(%s::uuid[]) AS ticked",
            [request.pk, ids],
        ),
        (
            "used",
            f"UPDATE {ProtectedResource._meta.db_table} AS resource SET last_used_at = %s"  # noqa: S608 (our own names)
            " FROM numbered WHERE resource.organization_id = %s AND resource.id = ANY(%s::uuid[])",
            [request.created_at, organization.pk, ids],
        ),
    ]


def _as_committed(
    request: MitigationRequest, mitigation: Mitigation, resources: Sequence[UUID]
) -> MitigationRequest:
    """The request as the database holds it now, with what its answer shows."""
    for row in (request, mitigation):
        row._state.adding = False
        row._state.db = connection.alias
    ticked = [ProtectedResource.from_db(connection.alias, ["id"], [one]) for one in resources]
    prefetched = {}
    for name, rows in (("mitigations", [mitigation]), ("resources", ticked)):
        found = getattr(request, name).all()
        found._result_cache = rows
        found._prefetch_done = True
        prefetched[name] = found
    vars(request)["_prefetched_objects_cache"] = prefetched  # as `prefetch_related` does
    return request

"""Every typed JSON column of every model: it keeps each value of its type, reads what earlier
releases wrote, and names the row and the column that hold anything else.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import models
from django.db.models import Value
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.accounts.models import User
from portal.alerts.alert import AlertState, AttackDirection
from portal.alerts.models import (
    AlertEndpoint,
    AlertPayload,
    AlertPoll,
    AlertProposal,
    AlertVerdict,
    Incident,
    ProposedAct,
    ReceivedAlert,
)
from portal.connections.models import ConnectionTest
from portal.core.json_value import JSONValueField, UnreadableValueError, read_json, write_json
from portal.core.targets import PortRange, ReportedTargets, Targets
from portal.inventory.models import UnknownMitigation
from portal.mitigations.models import (
    FilteringEnd,
    FilteringEndedBy,
    Mitigation,
    MitigationRequest,
    ProviderConflict,
    RequestApproval,
    RequestKind,
    Strategy,
)
from portal.mitigations.models.columns import ApprovalPreview
from portal.mitigations.states import RequestStatus
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.models import Notice
from portal.organizations.models import Approval, ProtectedResource, ResourceKind
from portal.ownership.models import ResourceProof
from portal.ownership.states import ProofMethod
from portal.providers.models import PendingChange, Provider, Subscription, Transport
from portal.rpki.models import RouteOrigins
from portal.sso.models import SingleSignOn
from portal.standby.models import Drill, DrillCheck, DrillMethod
from tests.conftest import ClientOf

pytestmark = pytest.mark.exhaustive

Column = JSONValueField[Any]
RowOf = Callable[[type[models.Model]], models.Model]

COLUMNS: list[Column] = [
    field
    for model in apps.get_models()
    for field in model._meta.concrete_fields
    if isinstance(field, JSONValueField)
]
each_column = pytest.mark.parametrize("column", COLUMNS, ids=str)
few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
st.register_type_strategy(str, text)
st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
st.register_type_strategy(
    ipaddress.IPv4Network, st.ip_addresses(v=4).map(lambda one: ipaddress.IPv4Network((one, 32)))
)
st.register_type_strategy(
    ipaddress.IPv6Network, st.ip_addresses(v=6).map(lambda one: ipaddress.IPv6Network((one, 128)))
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def row_of(alice: User, acme_northgate: Subscription) -> RowOf:
    """The one row of each model that has such a column."""
    now = timezone.now()
    request = MitigationRequest.objects.create(
        organization=acme_northgate.organization,
        created_at=now,
        created_by=alice,
        kind=RequestKind.IMMEDIATE,
        strategy=Strategy.FAILOVER,
        status=RequestStatus.REQUESTING,
        lifetime_s=3600,
        **EMPTY,
    )
    mitigation = Mitigation.objects.create(
        organization=request.organization,
        request=request,
        subscription=acme_northgate,
        position=0,
        mid=1,
        asked_at=now,
        lifetime_s=3600,
        scope=SCOPE,
    )
    drill = Drill.objects.create(
        organization=request.organization, started_at=now, started_by=alice
    )
    DrillCheck.objects.create(
        drill=drill,
        subscription=acme_northgate,
        way=DrillMethod.REQUEST,
        mitigation=mitigation,
        asked_at=now,
    )
    UnknownMitigation.objects.create(
        organization=request.organization,
        subscription=acme_northgate,
        cuid=acme_northgate.cuid,
        mid=7,
        targets=ReportedTargets(prefixes=("203.0.113.0/26",)),
        found_at=now,
        reported_at=now,
    )
    resource = ProtectedResource.objects.create(
        organization=request.organization, kind=ResourceKind.PREFIX, value="203.0.113.0/26"
    )
    ResourceProof.objects.create(resource=resource, method=ProofMethod.DNS, asked_at=now)
    RequestApproval.objects.create(
        request=request,
        organization=request.organization,
        cause=Approval.ALL,
        asked_at=now,
        expires_at=now,
        preview=ApprovalPreview(messages=(), replaces=(), replaced=()),
    )
    endpoint = AlertEndpoint.objects.create(
        organization=request.organization, name="Edge", source="plain", digest="", created_at=now
    )
    NoticeChannel.objects.create(
        organization=request.organization,
        kind="webhook",
        name="Night shift",
        secrets=b"",
        created_at=now,
    )
    own = {"organization": request.organization, "endpoint": endpoint}
    AlertPoll.objects.create(**own, secret=b"", due_at=now)
    AlertPayload.objects.create(**own, received_at=now, body=b"")
    ReceivedAlert.objects.create(
        **own,
        event_id="a-1",
        verdict=AlertVerdict.NO_TARGET,
        first_at=now,
        last_at=now,
        has_begun=True,
        state=AlertState.START,
        direction=AttackDirection.UNKNOWN,
    )
    incident = Incident.objects.create(
        organization=request.organization, began_at=now, last_at=now, targets=SCOPE
    )
    AlertProposal.objects.create(
        organization=request.organization,
        incident=incident,
        act=ProposedAct.MITIGATE,
        targets=SCOPE,
        made_at=now,
    )
    RouteOrigins.objects.create(route="203.0.113.0/24")
    SingleSignOn.objects.create(
        organization=request.organization, encrypted_secret=b"", changed_at=now
    )
    ConnectionTest.objects.create(subscription=Subscription.objects.get(), asked_at=now)
    Notice.objects.create(
        organization=request.organization, user=alice, occurred_at=now, created_at=now
    )
    return lambda model: model._default_manager.get()


SCOPE = Targets.saved(prefixes=["203.0.113.0/26"])
EMPTY: dict[str, Any] = {"asked": SCOPE, "scope": SCOPE}


def set_json(column: Column, data: Any) -> None:
    """Write what another release, or a person with a shell, would."""
    rows = column.model._default_manager.all()
    rows.update(**{column.name: Value(data, output_field=models.JSONField())})


@each_column
@given(data=st.data())
@few
def test_a_column_returns_the_value_that_was_saved(
    column: Column, row_of: RowOf, data: st.DataObject
) -> None:
    values = st.from_type(column.value_type)
    value = data.draw(values | st.none() if column.null else values)
    row = row_of(column.model)

    setattr(row, column.name, value)
    row.save(update_fields=[column.name])

    assert getattr(row_of(column.model), column.name) == value


@each_column
@given(data=json_values)
@few
def test_json_of_another_type_is_an_error_that_names_row_and_column(
    column: Column, row_of: RowOf, data: Any
) -> None:
    set_json(column, data)

    row = row_of(column.model)

    try:
        read = read_json(data, column.value_type) if not (data is None and column.null) else None
    except UnreadableValueError:
        with pytest.raises(UnreadableValueError) as raised:
            getattr(row, column.name)
        assert f"{row._meta.label} {row.pk}, {column.column}: " in str(raised.value)
    else:
        assert getattr(row, column.name) == read


@each_column
def test_each_column_refuses_json_of_no_meaning(column: Column, row_of: RowOf) -> None:
    set_json(column, [{"no": "meaning"}])

    with pytest.raises(UnreadableValueError):
        getattr(row_of(column.model), column.name)


@each_column
def test_values_of_a_row_can_be_written_back(column: Column, row_of: RowOf) -> None:
    before = getattr(row_of(column.model), column.name)
    rows = column.model._default_manager.filter(pk=row_of(column.model).pk)

    rows.update(**{column.name: rows.values_list(column.name, flat=True).get()})

    assert getattr(row_of(column.model), column.name) == before


def test_other_columns_of_an_unreadable_row_are_read_and_saved(row_of: RowOf) -> None:
    column = Mitigation._meta.get_field("conflict")
    assert isinstance(column, JSONValueField)
    set_json(column, "a hand wrote this")
    row = Mitigation.objects.get()

    row.sends = 7
    row.save(update_fields=["sends"])

    assert Mitigation.objects.get().sends == 7


@pytest.mark.parametrize(
    "path", ["/organizations/acme/", "/api/v1/organizations/acme/mitigation-requests"]
)
def test_a_page_that_needs_an_unreadable_value_fails_and_the_log_names_the_row(
    path: str, row_of: RowOf, alice: User, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    column = Mitigation._meta.get_field("conflict")
    assert isinstance(column, JSONValueField)
    set_json(column, "a hand wrote this")
    browser = client_of(alice)
    browser.raise_request_exception = False

    answer = browser.get(path)

    assert answer.status_code == 500
    assert "eference" in answer.content.decode()
    assert f"mitigations.Mitigation {Mitigation.objects.get().pk}, conflict: " in caplog.text


AT = datetime(2026, 11, 29, 1, 9, 44, 230032, tzinfo=UTC)
BY_EARLIER_RELEASES: list[tuple[type[models.Model], str, Any, Any]] = [
    (
        Mitigation,
        "conflict",
        {"reason": "It would block addresses on your accept list.", "cause": 2, "mid": 7},
        ProviderConflict(cause=2, mid=7, reason="It would block addresses on your accept list."),
    ),
    (
        DrillCheck,
        "conflict",
        {"reason": "It conflicts with another request.", "retry_after": 30},
        ProviderConflict(retry_after=30, reason="It conflicts with another request."),
    ),
    (
        Mitigation,
        "filtering_end",
        {
            "at": "2026-11-29T01:09:44.230032+00:00",
            "reported_at": None,
            "by": "rearmed",
            "has_filtered": True,
            "conflict": {"cause": None, "prefixes": ["203.0.113.7/32"]},
            "replaced_by": None,
        },
        FilteringEnd(
            at=AT,
            reported_at=None,
            by=FilteringEndedBy.REARMED,
            has_filtered=True,
            conflict=ProviderConflict(prefixes=("203.0.113.7/32",)),
            replaced_by=None,
        ),
    ),
    (
        Subscription,
        "pending_change",
        {"changed": ["cuid"], "tried_at": "2026-11-29T01:09:44.230032+00:00", "failure": "no"},
        PendingChange(changed=("cuid",), tried_at=AT, failure="no"),
    ),
    (
        Subscription,
        "limited_to",
        ["203.0.113.0/26", "2001:db8::/32"],
        (ip_network("203.0.113.0/26"), ip_network("2001:db8::/32")),
    ),
    (Provider, "transports", ["tls", "dtls"], (Transport.TLS, Transport.DTLS)),
    (MitigationRequest, "subscriptions", [str(UUID(int=7))], (UUID(int=7),)),
    (Mitigation, "withdrawn_for", [], ()),
    (UnknownMitigation, "filters", ["ntp"], ("ntp",)),
    (
        Mitigation,
        "scope",
        {"prefixes": ["203.0.113.0/26"], "fqdns": ["a.example"], "uris": ["https://a.example/"]},
        Targets.saved(
            prefixes=["203.0.113.0/26"], fqdns=["a.example"], uris=["https://a.example/"]
        ),
    ),
    (MitigationRequest, "ports", [{"lower": 80, "upper": 90}], (PortRange(80, 90),)),
    (MitigationRequest, "protocols", [6, 17], (6, 17)),
    (
        UnknownMitigation,
        "targets",
        {"prefixes": ["203.0.113.7/24", "x"], "fqdns": [], "uris": [], "aliases": ["shop"]},
        ReportedTargets(prefixes=("203.0.113.7/24", "x"), aliases=("shop",)),
    ),
]


@pytest.mark.parametrize(
    ("model", "name", "data", "value"), BY_EARLIER_RELEASES, ids=lambda one: str(one)[:20]
)
def test_json_of_earlier_releases_is_read_and_written_as_they_do(
    model: type[models.Model], name: str, data: Any, value: Any
) -> None:
    column = model._meta.get_field(name)
    assert isinstance(column, JSONValueField)

    written = json.loads(json.dumps(write_json(value)))

    assert read_json(data, column.value_type) == value
    # Their processes read it too, until they are restarted.
    assert written == ({**written, **data} if isinstance(data, dict) else data)

"""Ends of filtering for a plan, and where the portal shows them."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from portal.mitigations import queries
from portal.mitigations import services as mitigations
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict
from portal.organizations.models import Organization
from tests.portal.standby.conftest import says

NOW_PAGE = "/organizations/acme/"
LIST = "/organizations/acme/requests?status=unacknowledged"
ACKNOWLEDGE = "/organizations/acme/requests/acknowledge"
REQUESTS = "/api/v1/organizations/acme/mitigation-requests"


def waiting(organization: Organization) -> list[MitigationRequest]:
    return list(queries.ended_by_itself(organization))


def ends_of(request: MitigationRequest) -> list[str | None]:
    """The code of how each provider stopped."""
    ends = request.mitigations.order_by("position").values_list("filtering_end__by", flat=True)
    return list(ends)


def forgets(mitigation: Mitigation, at: datetime | None = None) -> None:
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=at or timezone.now())


def _withdraws(mitigation: Mitigation) -> None:
    says(mitigation, 7, conflict=ProviderConflict(reason="Another customer needs the capacity."))

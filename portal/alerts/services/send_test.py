"""Send a sample through an endpoint, as its detector would after the check of the secret."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint
from portal.alerts.samples import SampleFacts, sample
from portal.alerts.services.receive import Received, accept
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core.errors import Conflict
from portal.core.targets import Kind
from portal.organizations.access import require_current_role
from portal.organizations.models import ProtectedResource, Role


@transaction.atomic
def send_test(*, endpoint: AlertEndpoint, actor: Actor) -> Received:
    """The alert that it makes is marked as a test. Conflict if no verified prefix can be in it."""
    require_current_role(endpoint.organization_id, actor, Role.ADMIN)
    now = timezone.now()
    facts = SampleFacts(
        target=_target_of(endpoint),
        host=endpoint.hosts[0].host if endpoint.hosts else "",
        now=now,
    )
    received = accept(endpoint, sample(AlertSource(endpoint.source), facts), now, is_test=True)
    record_row(Verb.ALERT_ENDPOINT_TESTED, endpoint, actor)
    return received


def _target_of(endpoint: AlertEndpoint) -> str:
    prefixes = ProtectedResource.objects.filter(
        organization=endpoint.organization_id, kind=Kind.PREFIX, verified_at__isnull=False
    )
    default = endpoint.default_resource_id
    own = prefixes.filter(pk=default).first() if default else None
    found = own or prefixes.order_by("name").first()
    if found is None:
        raise Conflict(
            "The sample names one of your verified prefixes, and there is none yet.",
            code="no-verified-prefix",
        )
    return found.value

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.consent import Consent
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.validation import Submission
from portal.organizations.models import Approval, Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.factories import ProviderFactory, SubscriptionFactory
from tests.portal.mitigations.approving import rule

Submit = Callable[..., MitigationRequest]


def to_replace_all() -> Consent:
    """Consent to replace every live request, for tests in which replacement does not matter."""
    return Consent(named=tuple(MitigationRequest.objects.values_list("pk", flat=True)))


@pytest.fixture
def all_need_approval(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    rule(acme, approval=Approval.ALL)


@pytest.fixture
def submit(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> Submit:
    """alice asks Northgate, then Tidewall, for the shop."""

    def submit(strategy: Strategy = Strategy.FAILOVER, **changes: object) -> MitigationRequest:
        key = str(changes.pop("key", ""))
        consent = changes.pop("consent", None) or (Consent() if key else to_replace_all())
        assert isinstance(consent, Consent)
        changes.setdefault("resources", (shop.pk,))
        submission = Submission(strategy=strategy, **changes)  # type: ignore[arg-type]  # the test names fields
        request = services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=submission,
            key=key,
            consent=consent,
        )
        # Read it as another process would: the returned object still has its mitigations as
        # committed.
        return MitigationRequest.objects.get(pk=request.pk)

    return submit


@pytest.fixture
def acme_harbour(acme: Organization) -> Subscription:
    harbour = ProviderFactory.create(name="Harbour", short_name="Harbour")
    return SubscriptionFactory.create(organization=acme, provider=harbour, priority=3)

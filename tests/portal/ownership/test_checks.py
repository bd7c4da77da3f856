"""From the claim to the verified resource: what the portal finds decides, staff decide the rest."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid, Throttled
from portal.events.models import Event
from portal.mitigations import services as mitigations
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.ownership import services
from portal.ownership.evidence import Evidence
from portal.ownership.models import ResourceClaim, ResourceProof, WaitsBecause
from portal.ownership.services import checks
from portal.ownership.states import NEGATIVE, ClaimState, ProofMethod, ProofResult
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory
from tests.portal.ownership.conftest import Claims, added
from tests.portal.ownership.dns_world import DnsWorld

WEEK = timedelta(days=7)


def state_of(resource: ProtectedResource) -> ClaimState:
    return services.claim_of(ProtectedResource.objects.get(pk=resource.pk)).state


def check(resource: ProtectedResource, by: User, world: DnsWorld) -> ResourceProof:
    services.ask_check(resource=resource, method=ProofMethod.DNS, actor=by)
    with world:
        services.make_due_checks(world.network, timezone.now())
    newest = ResourceProof.objects.filter(resource=resource).first()
    assert newest is not None
    return newest


def result(
    resource: ProtectedResource, found: ProofResult, now: datetime, method: str = "dns"
) -> None:
    """A check of the portal itself that found this."""
    proof = ResourceProof.objects.create(resource=resource, method=method, asked_at=now)
    services.save_result(proof, Evidence(result=found), now)


def types() -> list[str]:
    return list(Event.objects.order_by("seq").values_list("type", flat=True))


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("kind", "value"),
    [("prefix", "198.51.100.0/24"), ("prefix", "198.51.100.0/23"), ("prefix", "2001:db8:10::/48"),
     ("fqdn", "shop.acme.example"), ("uri", "https://shop.acme.example/a")],
)  # fmt: skip
def test_a_published_record_verifies_a_resource(
    kind: str, value: str, dana: User, acme: Organization, claims: Claims
) -> None:
    resource = added(acme, dana, kind, value)
    claims.publish(resource)

    proof = check(resource, dana, claims.world())

    assert (proof.result, proof.is_signed) == (ProofResult.FOUND, False)
    assert state_of(resource) == ClaimState.VERIFIED
    assert types() == ["resource.added", "resource.checked", "resource.verified"]
    assert {one.data["actor_kind"] for one in Event.objects.filter(seq__gt=1)} == {"portal"}


def test_the_record_of_one_tenant_verifies_nothing_of_another(
    dana: User, charlie: User, acme: Organization, globex: Organization, claims: Claims
) -> None:
    own, copied = (added(organization, person, "fqdn", "shop.acme.example")
                   for organization, person in ((acme, dana), (globex, charlie)))  # fmt: skip
    claims.publish(own)

    proof = check(copied, charlie, claims.world())

    assert proof.result == ProofResult.WRONG
    assert state_of(copied) == ClaimState.UNPROVED


@pytest.mark.parametrize(
    ("value", "because"),
    [("198.51.100.0/25", WaitsBecause.OVERLAPS), ("192.0.2.0/25", WaitsBecause.SIZE)],
)
def test_an_unclear_claim_waits_for_staff_without_saying_why(
    value: str,
    because: WaitsBecause,
    dana: User,
    mo: User,
    acme: Organization,
    globex: Organization,
    claims: Claims,
) -> None:
    ResourceFactory.create(organization=globex, name="Theirs", value="198.51.100.0/24")
    resource = added(acme, dana, "prefix", value)
    claims.publish(resource)

    proof = check(resource, dana, claims.world())

    assert (proof.result, state_of(resource)) == (ProofResult.FOUND, ClaimState.WAITING)
    assert services.claim_of(resource).waits_because == because
    said = str([one.data for one in Event.objects.filter(organization_id=acme.pk)])
    assert "overlap" not in said.lower()
    assert "lobex" not in said


def test_a_proof_does_not_verify_a_resource_that_staff_refused(
    dana: User, mo: User, acme: Organization, claims: Claims
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    services.refuse_by_staff(resource=resource, actor=mo, reason="Sold last year.")
    claims.publish(resource)

    check(resource, dana, claims.world())

    assert state_of(resource) == ClaimState.WAITING
    services.verify_by_staff(resource=resource, actor=mo)
    assert state_of(resource) == ClaimState.VERIFIED
    assert services.claim_of(resource).refusal_reason == ""


def test_staff_refuse_only_with_a_reason_and_never_what_is_verified(
    dana: User, mo: User, acme: Organization, shop: ProtectedResource
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")

    with pytest.raises(Invalid):
        services.refuse_by_staff(resource=resource, actor=mo, reason=" \n")
    with pytest.raises(Conflict):
        services.refuse_by_staff(resource=shop, actor=mo, reason="Not theirs.")


# The check waits longer than a transaction may be idle.
@pytest.mark.django_db(transaction=True)
def test_without_an_answer_nothing_changes(dana: User, acme: Organization) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    world = DnsWorld({}, {})
    with world:
        pass
    services.ask_check(resource=resource, method=ProofMethod.DNS, actor=dana)

    services.make_due_checks(world.network, timezone.now())

    assert ResourceProof.objects.get().result == ProofResult.NO_ANSWER
    assert state_of(resource) == ClaimState.UNPROVED


def test_a_proof_that_is_missing_for_weeks_ends_the_verification(
    dana: User, acme: Organization, claims: Claims
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    claims.publish(resource)
    check(resource, dana, claims.world())
    start = timezone.now()
    states = []

    for week in range(1, 5):
        result(resource, ProofResult.MISSING, start + week * WEEK)
        states.append(state_of(resource))

    missing, unproved = ClaimState.PROOF_MISSING, ClaimState.UNPROVED
    assert states == [missing, missing, missing, unproved]
    assert types()[-2:] == ["resource.proof_missing", "resource.unverified"]


@pytest.mark.parametrize(
    "found", [one for one in ProofResult if one not in NEGATIVE], ids=lambda one: one.value
)
def test_a_check_that_knows_nothing_ends_no_verification(
    found: ProofResult, dana: User, acme: Organization, claims: Claims
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    result(resource, ProofResult.FOUND, timezone.now())

    for week in range(1, 9):
        result(resource, found, timezone.now() + week * WEEK)

    assert state_of(resource) == ClaimState.VERIFIED


@pytest.mark.parametrize("method", ["http", "staff"])
def test_only_the_proof_that_verified_a_resource_can_be_missing(
    method: str, dana: User, mo: User, acme: Organization
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    if method == "staff":
        services.verify_by_staff(resource=resource, actor=mo)
    else:
        result(resource, ProofResult.FOUND, timezone.now(), method)

    for week in range(9):
        result(resource, ProofResult.MISSING, timezone.now() + week * WEEK, "dns")

    assert state_of(resource) == ClaimState.VERIFIED


def test_a_resource_under_a_live_request_stays_verified(
    dana: User, acme: Organization, acme_northgate: Subscription
) -> None:
    resource = added(acme, dana, "prefix", "198.51.100.0/24")
    now = timezone.now()
    result(resource, ProofResult.FOUND, now)
    request = mitigations.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("198.51.100.7/32",)),
    )

    for week in range(1, 9):
        result(resource, ProofResult.MISSING, now + week * WEEK)
    during = state_of(resource)
    request.status = "terminated"
    request.save()
    result(resource, ProofResult.MISSING, now + 9 * WEEK)

    assert (during, state_of(resource)) == (ClaimState.PROOF_MISSING, ClaimState.UNPROVED)


def test_each_proof_is_checked_again_after_a_week(
    dana: User, acme: Organization, shop: ProtectedResource
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    now = timezone.now()
    result(resource, ProofResult.FOUND, now)

    begun = [services.begin_rechecks(now + after) for after in (WEEK / 2, WEEK, WEEK)]

    assert begun == [0, 1, 0]
    assert ResourceProof.objects.filter(ended_at=None).get().asked_by is None


def test_one_check_of_a_resource_runs_at_a_time_and_is_made_once(
    dana: User, acme: Organization, claims: Claims
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    asked = [services.ask_check(resource=resource, method=ProofMethod.DNS, actor=dana)
             for _ in range(3)]  # fmt: skip
    now = timezone.now()

    taken = [len(checks._take_due(at)) for at in (now, now, now + checks.ABANDONED_AFTER)]

    assert len({one.pk for one in asked}) == 1
    assert taken == [1, 0, 1]


def test_checks_are_limited_and_forgotten(
    dana: User, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MAX_CHECKS_PER_HOUR", 4)
    monkeypatch.setattr(checks, "MAX_PROOFS_KEPT", 3)
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    for _ in range(3):
        services.ask_check(resource=resource, method=ProofMethod.DNS, actor=dana)
        ResourceProof.objects.filter(ended_at=None).update(ended_at=timezone.now())
    kept = ResourceProof.objects.count()
    monkeypatch.setattr(checks, "MAX_CHECKS_PER_HOUR", 3)

    with pytest.raises(Throttled) as refused:
        services.ask_check(resource=resource, method=ProofMethod.DNS, actor=dana)

    assert kept == 3
    assert 0 < refused.value.retry_after_s <= 3600


def test_a_method_that_proves_nothing_is_refused(
    dana: User, acme: Organization, shop: ProtectedResource
) -> None:
    with pytest.raises(Invalid) as refused:
        services.ask_check(resource=shop, method=ProofMethod.HTTP, actor=dana)

    assert refused.value.errors[0].code == "method-not-possible"


def test_the_result_for_a_removed_resource_is_dropped(
    dana: User, alice: User, acme: Organization
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    proof = services.ask_check(resource=resource, method=ProofMethod.DNS, actor=dana)
    services.remove_resource(resource=resource, actor=alice)

    services.save_result(proof, Evidence(result=ProofResult.FOUND), timezone.now())

    assert not ResourceProof.objects.exists()


def test_a_reader_of_resources_writes_nothing(
    acme: Organization, dana: User, bob: User, client_of: ClientOf, api_of: ApiOf
) -> None:
    resource = added(acme, dana, "fqdn", "shop.acme.example")
    claims = list(ResourceClaim.objects.values())

    browser, program = client_of(bob), api_of(bob)
    page, own = "/organizations/acme/settings/resources", f"resources/{resource.pk}"
    for answer in (
        browser.get(page),
        browser.get(f"{page}/{resource.pk}"),
        program.get("/api/v1/organizations/acme/resources"),
        program.get(f"/api/v1/organizations/acme/{own}"),
    ):
        assert answer.status_code == 200

    assert len(claims) == 1
    assert list(ResourceClaim.objects.values()) == claims

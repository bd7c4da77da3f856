from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services as mitigations
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.standby.models import Drill, DrillCheck, DrillMethod

PAGE = "/organizations/acme/readiness"
NOW_PAGE = "/organizations/acme/"


def passed(organization: Organization, person: User, *, ago: timedelta, failure: str = "") -> Drill:
    """A finished drill of every enabled provider."""
    begin = timezone.now() - ago
    asked = mitigations.submit(
        organization=organization,
        actor=Actor.person(person),
        submission=Submission(
            prefixes=("203.0.113.1/32",),
            strategy="parallel",
        ),
    )
    mitigations.terminate(request_id=asked.pk, actor=Actor.person(person))
    drill = Drill.objects.create(
        organization=organization,
        started_at=begin,
        started_by=person,
        ended_at=begin + timedelta(seconds=5),
    )
    for mitigation in asked.mitigations.all():
        DrillCheck.objects.create(
            drill=drill,
            subscription_id=mitigation.subscription_id,
            way=DrillMethod.REQUEST,
            mitigation=mitigation,
            asked_at=begin,
            sent_at=begin + timedelta(seconds=0.1),
            confirmed_at=None if failure else begin + timedelta(seconds=1.5),
            withdrawn_at=begin + timedelta(seconds=2),
            ended_at=None if failure else begin + timedelta(seconds=3.1),
            failure=failure,
        )
    return drill

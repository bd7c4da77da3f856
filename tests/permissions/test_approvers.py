"""What an approver may do beside the others, while a request of an admin waits for approval."""

from __future__ import annotations

from typing import Final

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, Role
from tests import routes
from tests.conftest import ClientOf, undone
from tests.factories import member
from tests.routes import call, url_of

APPROVALS: Final = [
    # paul is an approver; alice, the admin, asked for the request that waits
    # method, route                  charlie  bob dana paul alice
    ("GET",    "api:approvals",          404, 403, 200, 200, 200),
    ("POST",   "api:approve",            404, 403, 403, 202, 403),
    ("POST",   "api:decline",            404, 403, 403, 202, 403),
    ("POST",   "api:break-glass",        404, 403, 202, 202, 202),
    ("GET",    "approvals:approvals",    404, 403, 200, 200, 200),
    ("GET",    "approvals:approval",     404, 403, 200, 200, 200),
    ("POST",   "approvals:approve",      404, 403, 403, 302, 302),
    ("POST",   "approvals:decline",      404, 403, 403, 302, 302),
    ("POST",   "approvals:break-glass",  404, 403, 302, 302, 302),
    ("POST",   "api:notes",              404, 403, 201, 201, 201),
    ("POST",   "api:take-over",          404, 403, 200, 200, 200),
    ("GET",    "settings:policy",        404, 200, 200, 200, 200),
    ("PUT",    "api:policy",             404, 403, 403, 403, 200),
    ("POST",   "api:requests",           404, 403, 202, 202, 202),
    ("POST",   "api:invitations",        404, 403, 403, 403, 201),
]  # fmt: skip

asked = routes.asked


def test_an_approver_decides_and_does_what_an_operator_does(
    charlie: User, bob: User, dana: User, alice: User, client_of: ClientOf, asked: MitigationRequest
) -> None:
    acme = asked.organization
    Organization.objects.filter(pk=acme.pk).update(approval="all")
    waiting = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.48/32",)),
    )
    people = (charlie, bob, dana, member("paul", acme, Role.APPROVER), alice)
    browsers = [client_of(one) for one in people]
    wrong = []
    for method, route, *answers in APPROVALS:
        url = url_of(route, waiting.pk)
        for person, browser, expected in zip(people, browsers, answers, strict=True):
            with undone():
                answer = call(browser, method, route, url)
            if answer.status_code != expected:
                wrong.append(f"{person}: {method} {route} got {answer.status_code}, not {expected}")

    assert wrong == []

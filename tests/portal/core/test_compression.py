"""Responses are small, and their length reveals nothing about the secrets in them."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from django.test import Client
from rest_framework.test import APIClient

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf, ClientOf, HalfSignedIn
from tests.factories import PASSWORD, ResourceFactory, UserFactory, app_code
from tests.portal.web.conftest import filtering
from tests.portal.wire.conftest import created, keep, put, scope

GZIP = {"Accept-Encoding": "gzip, deflate, br"}
BUDGET = 12_000
"""Bytes of compressed HTML (the budget for a page on a bad line)."""
LIVE = 6


@pytest.fixture
def busy(
    acme: Organization,
    alice: User,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> MitigationRequest:
    """Six live requests, both providers filtering for each, and a full page of one's wire
    journal.
    """
    for number in range(LIVE):
        resource = ResourceFactory.create(organization=acme, value=f"198.51.{number}.0/24")
        request = services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=Submission(
                resources=(resource.pk,), strategy="parallel", reason="UDP flood"
            ),
        )
        for one in request.mitigations.all():
            filtering(one)
    reports = [
        created(one.mid, code="2.05", method="GET", body=scope(status=2, bps_dropped=str(number)))
        for one in request.mitigations.all()
        for number in range(25)
    ]
    for one in request.mitigations.all():
        keep(one.subscription_id, put(one.mid), *(seen for seen in reports if seen.mid == one.mid))
    return request


def test_every_page_fits_the_budget_and_decompresses_to_the_same_text(
    alice: User, busy: MitigationRequest, client_of: ClientOf
) -> None:
    own = busy.get_absolute_url()
    browser = client_of(alice)
    for path in (
        "/organizations/acme/",
        "/organizations/acme/?parts=now",
        "/organizations/acme/requests",
        "/organizations/acme/requests/new",
        own,
        f"{own}?parts=say,lanes,side,look,time,chart",
        f"{own}/report",
        f"{own}/wire",
    ):
        headers = {"HX-Request": "true"} if "parts" in path else {}

        plain = browser.get(path, headers=headers)
        small = browser.get(path, headers={**headers, **GZIP})

        assert (plain.status_code, small.status_code) == (200, 200), path
        assert small["Content-Encoding"] == "gzip", path
        assert "Accept-Encoding" in small["Vary"], path
        assert "Accept-Encoding" in plain["Vary"], path
        assert int(small["Content-Length"]) == len(small.content) <= BUDGET, path
        # Tokens and ages differ, but not the markup around them.
        assert tags(gzip.decompress(small.content)) == tags(plain.content), path


def tags(markup: bytes) -> list[bytes]:
    return re.findall(rb"</?[a-z0-9]+", markup)


def test_json_is_compressed_to_varying_lengths(
    alice: User, acme: Organization, api_of: ApiOf
) -> None:
    ResourceFactory.create_batch(5, organization=acme)
    api = api_of(alice)

    answers = [
        api.get("/api/v1/organizations/acme/resources", headers=GZIP).content for _ in range(10)
    ]

    assert len({gzip.decompress(answer) for answer in answers}) == 1
    assert len({len(answer) for answer in answers}) > 1
    assert len(json.loads(gzip.decompress(answers[0]))["results"]) == 5


def test_an_answer_that_contains_a_secret_is_not_compressed(
    alice: User, half_signed_in: HalfSignedIn
) -> None:
    token = APIClient().post(
        "/api/v1/auth/token",
        {
            "username": "alice",
            "password": PASSWORD,
            "otp": app_code(),
            "device_name": "x" * 60,
        },
        headers=GZIP,
    )
    assert token.status_code in (200, 201)
    new = UserFactory.create(username="new")
    key = half_signed_in(new).get("/enrol", headers=GZIP)

    assert token.json()["token"]
    assert len(key.content) > 1000
    assert "Content-Encoding" not in token
    assert "Content-Encoding" not in key
    assert "Content-Encoding" not in Client().get("/sign-in", headers=GZIP)

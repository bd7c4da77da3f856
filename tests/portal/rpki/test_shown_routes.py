"""Readiness, the form of a request and the API say the same about a provider's routes."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from portal.accounts.models import User
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Provider, Subscription
from portal.readiness.rows import CheckCode
from portal.rpki import services
from portal.rpki.origins import STALE_AFTER
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory
from tests.portal.web.conftest import FORM, text_of, typed

NORTHGATE_AS, OTHER_AS = 64500, 64501
TARGET, ROUTE = "203.0.113.7/32", "203.0.113.0/24"
OF_GLOBEX = "198.51.100.0/24"
INVALID = f"Northgate could not announce {ROUTE} around {TARGET}: its route would be RPKI-invalid."


@pytest.fixture(autouse=True)
def _prepared(
    shop: ProtectedResource, globex: Organization, northgate: Provider,
    acme_northgate: Subscription, acme_tidewall: Subscription, globex_northgate: Subscription,
) -> None:  # fmt: skip
    """Northgate announces routes, for two tenants; of Tidewall that is not known."""
    northgate.as_number = NORTHGATE_AS
    northgate.save(update_fields=["as_number"])
    ResourceFactory.create(organization=globex, name="Theirs", value=OF_GLOBEX)


def export(path: Path, settings: Settings, asn: int | None, written: datetime) -> None:
    """An export with a payload for Acme's route, and one that forbids the route of Globex."""
    roas = [(OF_GLOBEX, OTHER_AS), *([(ROUTE, asn)] if asn is not None else [])]
    source = path / "export.json"
    source.write_text(
        json.dumps(
            {
                "metadata": {"generatedTime": f"{written:%Y-%m-%dT%H:%M:%SZ}"},
                "roas": [
                    {"asn": f"AS{origin}", "prefix": prefix, "maxLength": 24}
                    for prefix, origin in roas
                ],
            }
        )
    )
    settings.PORTAL_RPKI_SOURCE = str(source)
    services.refresh(str(source), timezone.now())


@pytest.mark.parametrize(
    ("asn", "age", "row", "evidence", "code", "text"),
    [
        pytest.param(NORTHGATE_AS, timedelta(), "pass", "ROAs allow", "valid",
                     "ROAs allow the routes that Northgate would announce.", id="valid"),
        pytest.param(OTHER_AS, timedelta(), "warn", "its route would be RPKI-invalid", "invalid",
                     INVALID, id="invalid"),
        pytest.param(None, timedelta(), "pass", "has no ROA", "not-found",
                     "Most networks accept any origin", id="not found"),
        pytest.param(OTHER_AS, STALE_AFTER + timedelta(hours=1), "warn", "too old", "unknown",
                     "too old to say anything about now", id="too old"),
    ],
)  # fmt: skip
def test_every_door_says_whether_a_provider_may_announce(
    asn: int | None, age: timedelta, row: str, evidence: str, code: str, text: str,
    dana: User, client_of: ClientOf, api_of: ApiOf, acme_northgate: Subscription,
    tmp_path: Path, settings: Settings,
) -> None:  # fmt: skip
    export(tmp_path, settings, asn, timezone.now() - age)
    browser, api, acme = client_of(dana), api_of(dana), "/api/v1/organizations/acme"

    [found] = readiness(api.get(f"{acme}/readiness").json())
    form = browser.post(FORM, typed(other=TARGET, check="1"))
    body = {"targets": {"prefixes": [TARGET]}}
    shown = [
        api.post(f"{acme}/mitigation-requests/{path}", body).json()["routes"]
        for path in ("eligibility", "preview")
    ]

    assert (found["state"], evidence in found["evidence"]) == (row, True), found
    assert (INVALID in text_of(form.content.decode())) is (code == "invalid")
    assert shown[0] == shown[1]
    [[routes], _] = shown
    assert (routes["subscription"], routes["code"]) == (str(acme_northgate.pk), code)
    assert text in routes["text"]


def test_one_tenant_reads_nothing_about_the_routes_of_another(
    dana: User, charlie: User, acme: Organization, shop: ProtectedResource, client_of: ClientOf,
    api_of: ApiOf, tmp_path: Path, settings: Settings,
) -> None:  # fmt: skip
    export(tmp_path, settings, NORTHGATE_AS, timezone.now())

    [own] = readiness(api_of(dana).get("/api/v1/organizations/acme/readiness").json())
    [theirs] = readiness(api_of(charlie).get("/api/v1/organizations/globex/readiness").json())
    browser = client_of(dana)
    form = browser.post(FORM, typed(other=OF_GLOBEX, check="1"))
    copied = ResourceFactory.create(
        organization=acme, name="Copied", value=OF_GLOBEX, verified_at=None
    )
    pages = [
        browser.get(f"/organizations/acme/settings/resources/{one.pk}").content.decode()
        for one in (shop, copied)
    ]

    assert (own["state"], OF_GLOBEX in str(own)) == ("pass", False)
    assert (theirs["state"], OF_GLOBEX in str(theirs)) == ("warn", True)
    assert "RPKI" not in text_of(form.content.decode())
    assert [f"AS{NORTHGATE_AS} may announce {ROUTE}" in pages[0], "ROA" in pages[1]] == [
        True,
        False,
    ]


def test_routes_are_not_shown_without_a_validator(
    dana: User, api_of: ApiOf, settings: Settings
) -> None:
    settings.PORTAL_RPKI_SOURCE = ""
    api = api_of(dana)

    assert readiness(api.get("/api/v1/organizations/acme/readiness").json()) == []
    body = {"targets": {"prefixes": [TARGET]}}
    preview = api.post("/api/v1/organizations/acme/mitigation-requests/preview", body).json()
    assert preview["routes"] == []


def readiness(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The row about routes."""
    return [row for row in answer["checks"] if row["code"] == CheckCode.ROUTES]

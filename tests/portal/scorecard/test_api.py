"""The scorecard and the service levels, as programs read and set them."""

from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import ProviderConflict
from portal.providers.models import Subscription
from portal.scorecard.figures import MIN_FOR_MEDIAN, MIN_FOR_P95
from portal.scorecard.models import ServiceLevels
from tests.conftest import ApiOf
from tests.portal.scorecard.conftest import NOON, Ask, accepted, seconds, sent

CALL = "/api/v1/organizations/acme/scorecard"
OCTOBER = {"from": "2026-10"}


@pytest.fixture
def six(ask: Ask) -> None:
    for number in range(6):
        one = ask()
        sent(one)
        if number:
            accepted(one, NOON + seconds(number))
            continue
        services.record_refused(
            mitigation_id=one.pk,
            code="4.09",
            reason="",
            conflict=ProviderConflict(cause=3),
            now=NOON + seconds(1),
        )


def test_a_program_reads_the_figures(
    bob: User, six: None, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    ServiceLevels.objects.create(subscription=acme_northgate, accept_within_s=4)

    answer = api_of(bob).get(CALL, OCTOBER)

    assert answer.status_code == 200
    card = answer.json()
    assert (card["first"], card["last"], card["time_zone"]) == ("2026-10", "2026-10", "UTC")
    assert card["begins"] == "2026-10-01T00:00:00Z"
    assert card["minimums"]["median"] == MIN_FOR_MEDIAN
    assert card["minimums"]["p95"] == MIN_FOR_P95
    (score,) = card["providers"]
    assert score["provider"]["name"] == "Northgate Scrubbing"
    assert score["service_levels"]["accept_within"] == 4
    assert score["within_agreed"] == {"accept": 4, "filter": None, "stop": None}
    figures = score["figures"]
    assert figures["time_to_accept"] == {"count": 5, "median": 3.0, "p95": None}
    assert (figures["asked"], figures["refused"], figures["refused_percent"]) == (6, 1, None)
    assert figures["refusals"] == [{"code": "4.09", "conflict_cause": 3, "count": 1}]
    assert figures["session"]["availability"] is None
    assert [one["month"] for one in score["months"]] == ["2026-10"]
    assert "organizations" not in figures


def test_months_begin_in_the_named_time_zone(bob: User, ask: Ask, api_of: ApiOf) -> None:
    ask(NOON.replace(day=31, hour=23, minute=30))
    query = {"from": "2026-10", "time_zone": "Europe/Prague"}

    def asked(**query: str) -> int:
        card = api_of(bob).get(CALL, query).json()
        count: int = card["providers"][0]["figures"]["asked"]
        return count

    assert asked(**OCTOBER) == 1
    assert asked(**query) == 0


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ({"from": "October"}, "from", "not-a-month"),
        ({"to": "2026-13"}, "from", "not-a-month"),
        ({"from": "2026-01", "to": "2026-13"}, "to", "not-a-month"),
        ({"from": "9999-12"}, "from", "in-the-future"),
        ({"from": "2026-10", "to": "2026-09"}, "from", "reversed"),
        ({"from": "2024-10", "to": "2026-09"}, "to", "too-long"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "not-a-time-zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "not-a-time-zone"),
        ({"time_zone": ""}, "time_zone", "not-a-time-zone"),
    ],
)
def test_a_wrong_parameter_is_named(
    bob: User,
    acme_northgate: Subscription,
    api_of: ApiOf,
    query: dict[str, str],
    field: str,
    code: str,
) -> None:
    answer = api_of(bob).get(CALL, query)

    assert answer.status_code == 400
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [(field, code)]


def test_staff_read_all_organizations_without_a_name(
    mo: User, six: None, globex_northgate: Subscription, api_of: ApiOf
) -> None:
    answer = api_of(mo).get("/api/v1/scorecard", OCTOBER)

    (score,) = answer.json()["providers"]
    assert (score["figures"]["asked"], score["figures"]["organizations"]) == (6, 1)
    assert "service_levels" not in score
    assert not any(word in answer.content.decode() for word in ("acme", "Acme", "globex"))


def levels_of(subscription: Subscription) -> str:
    return f"/api/v1/organizations/acme/subscriptions/{subscription.pk}/service-levels"


def test_an_admin_sets_service_levels(
    alice: User, bob: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    wanted = {"accept_within": 10, "filter_within": None, "stop_within": 300, "availability": 99.9}

    answer = api_of(alice).put(levels_of(acme_northgate), wanted, format="json")

    assert answer.status_code == 200
    assert answer.json() == wanted
    assert api_of(bob).get(levels_of(acme_northgate)).json() == wanted


NOTHING: dict[str, Any] = dict.fromkeys(
    ("accept_within", "filter_within", "stop_within", "availability")
)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"accept_within": 0}, "accept_within", "out-of-range"),
        ({"filter_within": 10**30}, "filter_within", "out-of-range"),
        ({"stop_within": "10"}, "stop_within", "wrong-type"),
        ({"availability": "99.9"}, "availability", "wrong-type"),
        ({"availability": True}, "availability", "wrong-type"),
        ({"availability": 100.1}, "availability", "out-of-range"),
        ({"availability": -1}, "availability", "out-of-range"),
        ({"availability": 1e300}, "availability", "out-of-range"),
        ({"availability": 99.98765}, "availability", "too-exact"),
        ({"price": 1}, "price", "unknown-field"),
    ],
)
def test_a_wrong_service_level_is_refused_at_its_field(
    alice: User,
    acme_northgate: Subscription,
    api_of: ApiOf,
    changes: dict[str, Any],
    field: str,
    code: str,
) -> None:
    answer = api_of(alice).put(levels_of(acme_northgate), NOTHING | changes, format="json")

    assert answer.status_code == 400
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [(field, code)]
    assert not ServiceLevels.objects.exists()


def test_a_subscription_of_another_organization_does_not_exist(
    alice: User, acme_northgate: Subscription, globex_northgate: Subscription, api_of: ApiOf
) -> None:
    program = api_of(alice)

    assert program.get(levels_of(globex_northgate)).status_code == 404
    answer = program.put(levels_of(globex_northgate), NOTHING, format="json")
    assert answer.status_code == 404

"""`unknown-mitigations`: listed, adopted and withdrawn by programs."""

from __future__ import annotations

from uuid import uuid4

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.targets import PortRange
from portal.inventory import services
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import ProtectedResource
from tests.conftest import ApiOf
from tests.portal.inventory.conftest import Record, one, reported

URL = "/api/v1/organizations/acme/unknown-mitigations"


def test_unknown_mitigations_are_listed_with_all_details(
    record: Record, bob: User, api_of: ApiOf
) -> None:
    record(reported(4, ports=(PortRange(443, 443),), protocols=(6,), filters=("ntp",)))

    [shown] = api_of(bob).get(URL).json()["results"]

    assert {name: shown[name] for name in ("mid", "status", "dots_status", "provider")} == {
        "mid": 4,
        "status": "mitigating",
        "dots_status": 2,
        "provider": "Northgate Scrubbing",
    }
    assert shown["targets"]["prefixes"] == ["203.0.113.0/26"]
    assert (shown["ports"], shown["protocols"]) == ([{"lower": 443, "upper": 443}], [6])
    assert (shown["filters"], shown["preconfigured"]) == (["ntp"], False)
    assert 3590 <= shown["lifetime_remaining"] <= 3600
    assert (shown["asked_by"], shown["request"], shown["ending"]) == (None, None, "")
    assert shown == api_of(bob).get(f"{URL}/{shown['id']}").json()


@pytest.mark.parametrize(
    ("lifetime_s", "remaining"), [(-1, -1), (None, None)], ids=["no end", "not told"]
)
def test_an_infinite_and_an_unreported_lifetime_differ(
    record: Record, bob: User, api_of: ApiOf, lifetime_s: int | None, remaining: int | None
) -> None:
    record(reported(4, lifetime_s=lifetime_s))

    [shown] = api_of(bob).get(URL).json()["results"]

    assert shown["lifetime_remaining"] == remaining


@pytest.mark.parametrize("dots_status", [None, 42])
def test_an_unknown_status_is_null_beside_its_number(
    record: Record, bob: User, api_of: ApiOf, dots_status: int | None
) -> None:
    record(reported(4, dots_status=dots_status))

    [shown] = api_of(bob).get(URL).json()["results"]

    assert (shown["status"], shown["dots_status"]) == (None, dots_status)


def test_an_ended_mitigation_is_not_listed_but_can_still_be_read(
    record: Record, bob: User, api_of: ApiOf
) -> None:
    record(reported(4))
    record(answered_mids=[4])

    assert api_of(bob).get(URL).json()["results"] == []
    assert api_of(bob).get(f"{URL}/{one().pk}").json()["ending"] == "gone"


def test_every_adoption_call_returns_the_request(
    record: Record, shop: ProtectedResource, dana: User, api_of: ApiOf
) -> None:
    record(reported(4))
    api, url = api_of(dana), f"{URL}/{one().pk}/adopt"

    answers = [api.post(url), api.post(url)]

    request = MitigationRequest.objects.get()
    for answer in answers:
        assert answer.status_code == 202
        assert answer["Location"] == f"/api/v1/organizations/acme/mitigation-requests/{request.pk}"
        body = answer.json()
        assert (body["id"], body["status"]) == (str(request.pk), "mitigating")
        assert [mitigation["mid"] for mitigation in body["mitigations"]] == [4]


def test_a_refused_adoption_has_a_code_for_the_reason(
    record: Record, dana: User, api_of: ApiOf
) -> None:
    record(reported(4, "198.51.100.0/24"))

    answer = api_of(dana).post(f"{URL}/{one().pk}/adopt")

    assert answer.status_code == 409
    assert answer.json()["code"] == "not-verified"
    assert "198.51.100.0/24 is not one of Acme’s verified resources." in answer.json()["detail"]


def test_withdrawing_can_be_repeated_and_names_the_person(
    record: Record, dana: User, alice: User, api_of: ApiOf
) -> None:
    record(reported(4))
    url = f"{URL}/{one().pk}/withdraw"

    first, second = api_of(dana).post(url), api_of(alice).post(url)

    assert first.status_code == second.status_code == 202
    assert second.json()["withdrawn_by"] == "dana"
    assert second.json()["withdrawal_confirmed_at"] is None


def test_withdrawing_an_ended_mitigation_changes_nothing(
    record: Record, dana: User, api_of: ApiOf
) -> None:
    record(reported(4))
    record(answered_mids=[4])

    answer = api_of(dana).post(f"{URL}/{one().pk}/withdraw")

    assert answer.status_code == 202
    assert answer.json()["withdrawal_asked_at"] is None


def test_an_adopted_mitigation_is_withdrawn_through_its_request(
    record: Record, shop: ProtectedResource, dana: User, api_of: ApiOf
) -> None:
    record(reported(4))
    services.adopt(unknown_id=one().pk, actor=Actor.person(dana))

    answer = api_of(dana).post(f"{URL}/{one().pk}/withdraw")

    assert (answer.status_code, answer.json()["code"]) == (409, "adopted")


@pytest.mark.parametrize("call", ["", "/adopt", "/withdraw"])
def test_a_missing_mitigation_and_another_tenants_are_not_found(
    record: Record, charlie: User, dana: User, api_of: ApiOf, call: str
) -> None:
    record(reported(4))
    method = "post" if call else "get"

    for person, unknown_id in ((charlie, one().pk), (dana, uuid4())):
        answer = getattr(api_of(person), method)(f"{URL}/{unknown_id}{call}")
        assert answer.status_code == 404
    own = api_of(charlie).get(f"/api/v1/organizations/globex/unknown-mitigations/{one().pk}")
    assert own.status_code == 404

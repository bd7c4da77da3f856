from __future__ import annotations

import pytest

from portal.accounts.models import User
from portal.mitigations.models import Mitigation, MitigationRequest
from tests.conftest import ApiOf
from tests.portal.wire.conftest import asked as asked
from tests.portal.wire.conftest import exchange, heartbeat, keep
from tests.portal.wire.conftest import mitigation as mitigation


def url(request: MitigationRequest) -> str:
    return f"/api/v1/organizations/acme/mitigation-requests/{request.pk}/wire"


def test_messages_come_newest_first_in_pages(
    dana: User, api_of: ApiOf, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)
    api = api_of(dana)

    first = api.get(f"{url(asked)}?limit=2").json()
    second = api.get(first["next"]).json()

    assert [one["code"] for one in first["results"]] == ["2.05", "2.01"]
    assert [one["code"] for one in second["results"]] == ["0.03"]
    assert second["next"] is None


def test_a_message_is_returned_in_full(
    dana: User, api_of: ApiOf, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)

    [*_, message] = api_of(dana).get(url(asked)).json()["results"]

    assert message.pop("at").endswith("Z")
    assert message == {
        "direction": "sent",
        "provider": "Northgate",
        "subscription": str(mitigation.subscription_id),
        "mitigation": str(mitigation.pk),
        "mid": mitigation.mid,
        "topic": "mitigation",
        "meaning": "Asks Northgate to start mitigation, for 3,600\u00a0s",
        "kind": "NON",
        "code": "0.03",
        "method": "PUT",
        "path": f"/.well-known/dots/mitigate/cuid=abc/mid={mitigation.mid}",
        "options": "",
        "size": 11,
        "body": {
            "ietf-dots-signal-channel:mitigation-scope": {
                "scope": [{"lifetime": 3600, "target-prefix": ["203.0.113.7/32"]}]
            }
        },
        "octets": "5803000120612062 6f6479".replace(" ", ""),
        "not_read": [],
        "is_cut": False,
        "copy": 1,
        "not_kept": 0,
    }


def test_heartbeats_are_listed_only_on_request(
    dana: User, api_of: ApiOf, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    keep(mitigation.subscription_id, heartbeat())
    api = api_of(dana)

    assert api.get(url(asked)).json()["results"] == []
    assert len(api.get(f"{url(asked)}?messages=all").json()["results"]) == 1


@pytest.mark.parametrize("query", ["messages=some", "cursor=x", "limit=x"])
def test_an_invalid_query_is_not_a_500(
    dana: User, api_of: ApiOf, asked: MitigationRequest, query: str
) -> None:
    assert api_of(dana).get(f"{url(asked)}?{query}").status_code in (200, 400)


def test_viewers_and_other_tenants_get_nothing(
    bob: User, charlie: User, api_of: ApiOf, asked: MitigationRequest, mitigation: Mitigation
) -> None:
    exchange(mitigation)

    assert api_of(bob).get(url(asked)).status_code == 403
    assert api_of(charlie).get(url(asked)).status_code == 404
    own = f"/api/v1/organizations/globex/mitigation-requests/{asked.pk}/wire"
    assert api_of(charlie).get(own).status_code == 404

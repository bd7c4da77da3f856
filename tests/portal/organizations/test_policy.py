"""The policy of an organization: who changes it, what is refused, and that it applies at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, User
from portal.audit.models import AuditEntry
from portal.core.errors import Invalid, NotAllowed, NotFound
from portal.events.acts import record_acts
from portal.events.models import Event, EventType
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.organizations.policy import PolicyValues, change_policy
from portal.providers.models import Subscription
from portal.standby import services as standby
from portal.web.settings.policy_page import read_seconds
from tests.conftest import ApiOf, ClientOf

API = "/api/v1/organizations/acme/policy"
PAGE = "/organizations/acme/settings/policy"
REQUESTS = "/api/v1/organizations/acme/mitigation-requests"


def change(organization: Organization, actor: User, **changed: Any) -> Organization:
    """Another process: it does not touch `organization` in memory."""
    values = replace(PolicyValues.of(Organization.objects.get(pk=organization.pk)), **changed)
    return change_policy(organization_id=organization.pk, actor=Actor.person(actor), values=values)


def test_a_change_is_recorded_with_the_values_before_and_after(
    acme: Organization, alice: User
) -> None:
    change(acme, alice, max_lifetime_s=7200, approval="all")

    record_acts()
    entry = AuditEntry.objects.get(organization_id=acme.pk, verb=EventType.ORGANIZATION_CHANGED)
    assert entry.actor_name == "alice"
    assert entry.before == {"max_lifetime_s": 86400, "approval": "never"}
    assert entry.after == {"max_lifetime_s": 7200, "approval": "all"}


def test_saving_the_same_policy_is_no_change(acme: Organization, alice: User) -> None:
    change(acme, alice)

    assert not Event.objects.filter(type=EventType.ORGANIZATION_CHANGED).exists()


@pytest.mark.parametrize("person", ["bob", "dana", "charlie"])
def test_only_an_admin_of_the_organization_changes_it(
    acme: Organization, person: str, bob: User, dana: User, charlie: User
) -> None:
    other = {"bob": bob, "dana": dana, "charlie": charlie}[person]

    with pytest.raises(NotFound if person == "charlie" else NotAllowed):
        change(acme, other, max_lifetime_s=7200)

    acme.refresh_from_db()
    assert acme.max_lifetime_s == 86400


WRONG = {
    "patience": ({"patience_s": 0}, "0 is not possible: 1 to 600."),
    "max_lifetime": ({"max_lifetime_s": 2**32}, "4,294,967,296 is not possible"),
    "default_lifetime": ({"max_lifetime_s": 60}, "must not be longer than the longest lifetime"),
    "shortest_prefix_v4": ({"shortest_prefix_v4": 33}, "33 is not possible: 0 to 32."),
    "approval_prefix_v6": ({"approval_prefix_v6": 129}, "129 is not possible: 0 to 128."),
    "approval_wait": ({"approval_wait_s": 59}, "59 is not possible: 60 to 86,400."),
    "approval": ({"approval": "some"}, "never, larger, automatic, all"),
    "max_live_requests": ({"max_live_requests": 101}, "only the portal’s staff change it"),
    "max_live_requests_per_person": ({"max_live_requests_per_person": 0}, "0 is not possible"),
}


@pytest.mark.parametrize(("field", "changed", "words"), [(f, *w) for f, w in WRONG.items()])
def test_a_value_that_is_not_possible_is_named_with_its_limits(
    acme: Organization, alice: User, field: str, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(Invalid) as refused:
        change(acme, alice, **changed)

    assert [one.field for one in refused.value.errors] == [field]
    assert words in refused.value.errors[0].message


# Each limit at each door


def submit(organization: Organization, actor: User, prefix: str, **more: Any) -> MitigationRequest:
    return services.submit(
        organization=organization,
        actor=Actor.person(actor),
        submission=Submission(prefixes=(prefix,), **more),
    )


def test_a_new_limit_counts_for_an_organization_that_was_read_before(
    acme: Organization, alice: User, acme_northgate: Subscription, shop: ProtectedResource
) -> None:
    stale = Organization.objects.get(pk=acme.pk)
    change(acme, alice, max_lifetime_s=3600, shortest_prefix_v4=28)

    with pytest.raises(Invalid) as refused:
        submit(stale, alice, "203.0.113.0/27", lifetime_s=7200)

    assert {one.field: one.code for one in refused.value.errors} == {
        "targets.prefixes.0": "prefix-too-large",
        "lifetime": "too-long",
    }
    assert not MitigationRequest.objects.exists()


def test_a_wider_limit_counts_at_once_too(
    acme: Organization, alice: User, acme_northgate: Subscription, shop: ProtectedResource
) -> None:
    change(acme, alice, shortest_prefix_v4=32)
    stale = Organization.objects.get(pk=acme.pk)
    change(acme, alice, shortest_prefix_v4=24)

    assert submit(stale, alice, "203.0.113.0/27").mitigations.count() == 1


def test_a_large_prefix_is_refused_by_the_form_the_api_and_a_plan(
    acme: Organization,
    alice: User,
    dana: User,
    acme_northgate: Subscription,
    shop: ProtectedResource,
    api_of: ApiOf,
    client_of: ClientOf,
) -> None:
    change(acme, alice, shortest_prefix_v4=28)
    words = "203.0.113.0/27 is too large: Acme allows at most a /28 of IPv4."

    api = api_of(dana).post(REQUESTS, {"targets": {"prefixes": ["203.0.113.0/27"]}}, format="json")
    page = client_of(dana).post("/organizations/acme/requests/new", {"other": "203.0.113.0/27"})
    with pytest.raises(Invalid) as plan:
        standby.create_plan(
            organization=acme,
            actor=Actor.person(dana),
            name="Shop",
            submission=Submission(prefixes=("203.0.113.0/27",)),
        )

    assert api.status_code == page.status_code == 400
    assert words in api.json()["errors"][0]["message"]
    assert words in page.content.decode()
    assert words in plan.value.errors[0].message
    assert not MitigationRequest.objects.exists()


def test_a_ticked_resource_is_held_to_the_limit_too(
    acme: Organization, alice: User, acme_northgate: Subscription, shop: ProtectedResource
) -> None:
    change(acme, alice, shortest_prefix_v4=31)

    with pytest.raises(Invalid) as refused:
        services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=Submission(resources=(shop.pk,)),
        )

    assert refused.value.errors[0].field == "targets.resources.0"


def test_an_extension_is_held_to_the_limits_of_now(
    acme: Organization, alice: User, acme_northgate: Subscription, shop: ProtectedResource
) -> None:
    request = submit(acme, alice, "203.0.113.0/27")
    change(acme, alice, max_lifetime_s=3600, may_be_indefinite=False)

    for lifetime_s in (7200, -1):
        with pytest.raises(Invalid):
            services.extend(request_id=request.pk, actor=Actor.person(alice), lifetime_s=lifetime_s)


# The API and the page


def test_the_api_reads_and_replaces_the_policy(
    acme: Organization, alice: User, api_of: ApiOf
) -> None:
    api = api_of(alice)
    policy = api.get(API).json()

    answer = api.put(API, {**policy, "approval": "larger", "patience": 30}, format="json")

    assert answer.status_code == 200
    assert answer.json() == {**policy, "approval": "larger", "patience": 30}
    assert api.get(API).json() == answer.json()


def test_the_api_wants_every_field_and_a_fresh_factor(
    acme: Organization, alice: User, api_of: ApiOf
) -> None:
    api = api_of(alice)
    policy = api.get(API).json()
    missing = api.put(API, {"patience": 30}, format="json")
    ApiToken.objects.update(factor_at=None)

    stale = api.put(API, policy, format="json")

    assert missing.status_code == 400
    assert "approval" in {one["field"] for one in missing.json()["errors"]}
    assert (stale.status_code, stale.json()["code"]) == (403, "fresh-factor-required")


def typed(browser: Client) -> dict[str, str]:
    form = browser.get(PAGE).context
    fields = [*form["limits"], *form["asking"], *form["waiting"]]
    return {one.name: one.value for one in fields} | {
        "approval": next(one.value for one in form["approvals"] if one.is_chosen),
        "late_acceptance": next(one.value for one in form["late"] if one.is_chosen),
        "may_be_indefinite": "1" if form["may_be_indefinite"] else "",
        "names_in_notices": "1" if form["names_in_notices"] else "",
    }


def test_the_page_saves_what_was_typed_and_nothing_else(
    acme: Organization, alice: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    before = PolicyValues.of(acme)

    same = browser.post(PAGE, typed(browser))
    acme.refresh_from_db()
    unchanged = PolicyValues.of(acme)
    other = {"max_lifetime_s": "2 h", "shortest_prefix_v4": "/24", "approval": "all"}
    answer = browser.post(PAGE, {**typed(browser), **other}, follow=True)

    assert (same.status_code, unchanged) == (302, before)
    acme.refresh_from_db()
    assert PolicyValues.of(acme) == replace(
        before, max_lifetime_s=7200, shortest_prefix_v4=24, approval="all"
    )
    assert "The policy is saved" in answer.content.decode()


@pytest.mark.parametrize("text", ["soon", "", "-1", "1 fortnight", "٣ h", "9" * 11])
def test_the_page_keeps_and_names_what_it_cannot_read(
    acme: Organization, alice: User, client_of: ClientOf, text: str
) -> None:
    browser = client_of(alice)

    answer = browser.post(PAGE, {**typed(browser), "max_lifetime_s": text})

    assert answer.status_code == 400
    assert answer.context["error"] == "Nothing was saved. Correct one thing."
    [field] = [one for one in answer.context["limits"] if one.error]
    assert (field.name, field.value) == ("max_lifetime_s", text)


def test_a_viewer_sees_the_values_and_no_button(
    acme: Organization, alice: User, bob: User, client_of: ClientOf
) -> None:
    page = client_of(bob).get(PAGE).content.decode()

    assert "24 hours" in page
    assert "Admins change this: alice." in page
    assert "Save policy" not in page


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45", 45), ("45 s", 45), ("90 minutes", 5400), ("24h", 86400), ("2 Days", 172800)],
)
def test_times_are_read_with_their_unit(text: str, seconds: int) -> None:
    assert read_seconds(text) == seconds

"""Failover on the pages: which provider was asked and why, what comes next, and what a person can
do about it.
"""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict, Strategy
from portal.mitigations.states import Trigger
from portal.mitigations.validation import Submission
from portal.organizations.models import LateAcceptance, Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.portal.web.conftest import Ask, accepted, filtering, mitigations_of, reports, sent
from tests.portal.web.provider_cards import page_of, refuse, silent

ASK = "/mitigations/ask"


def test_a_provider_not_asked_yet_is_asked_with_one_click(
    alice: User, ask: Ask, client_of: ClientOf, acme_tidewall: Subscription
) -> None:
    request = ask()
    before = page_of(client_of, alice, request)

    answer = client_of(alice).post(
        f"{request.get_absolute_url()}{ASK}", {"subscription": str(acme_tidewall.pk)}, follow=True
    )

    assert f'value="{acme_tidewall.pk}" data-sending="Asking">Ask Tidewall now</button>' in before
    assert 'data-status="not_asked"' in before
    page = answer.content.decode()
    assert "Ask Tidewall now" not in page
    assert "alice asked Tidewall manually." in page
    assert [one.asked_by for one in mitigations_of(request)] == [None, alice]


def test_a_card_says_why_the_provider_was_asked_and_when_the_silent_one_is_retried(
    alice: User, ask: Ask, client_of: ClientOf, acme_northgate: Subscription
) -> None:
    request = ask()
    silent(request)
    sent(mitigations_of(request)[1], timezone.now())

    page = page_of(client_of, alice, request)

    assert "Sent once, no answer.</strong>" in page
    assert "Retrying within 4 s." in page
    assert "Asked because Northgate did not answer within 10 s." in page
    assert "Tidewall is next in order." in page

    acme_northgate.provider.short_name = "North"
    acme_northgate.provider.save()
    renamed = page_of(client_of, alice, request)

    assert "Asked because North did not answer within 10 s." in renamed
    assert "Tidewall is next in order." in renamed


def test_the_page_shows_reasons_a_call_and_the_next_retry_when_all_refuse(
    alice: User, ask: Ask, client_of: ClientOf, acme_northgate: Subscription
) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    for one in (first, second):
        sent(one, timezone.now())
    refuse(first, conflict=ProviderConflict(reason="It would block addresses on your accept list."))
    refuse(second)

    page = page_of(client_of, alice, request)

    assert "No provider has confirmed help. Still trying." in page
    assert 'class="btn" href="tel:+15550142"' in page
    assert "It would block addresses on your accept list. Retrying at" in page
    assert "Ask Northgate again now" in page
    client_of(alice).post(
        f"{request.get_absolute_url()}{ASK}", {"subscription": str(acme_northgate.pk)}
    )
    assert mitigations_of(request)[0].status == "pending"


def test_a_provider_with_a_retry_time_has_no_button_and_a_forged_post_is_refused(
    alice: User, ask: Ask, client_of: ClientOf, acme_northgate: Subscription
) -> None:
    request = ask()
    sent(mitigations_of(request)[0], timezone.now())
    refuse(
        mitigations_of(request)[0], conflict=ProviderConflict(retry_after=1800), retry_after_s=1800
    )

    page = page_of(client_of, alice, request)
    answer = client_of(alice).post(
        f"{request.get_absolute_url()}{ASK}", {"subscription": str(acme_northgate.pk)}, follow=True
    )

    assert "Ask Northgate" not in page
    assert "Northgate asked the portal not to retry before" in answer.content.decode()


def test_a_provider_not_chosen_can_still_be_asked(
    alice: User, ask: Ask, client_of: ClientOf, acme_tidewall: Subscription
) -> None:
    request = ask()
    request.subscriptions = request.subscriptions[:1]
    request.save()

    page = page_of(client_of, alice, request)

    assert "Not asked.</strong> It was not chosen for this request." in page
    assert "Ask Tidewall now" in page
    assert "1. Northgate" not in page


def test_over_capacity_makes_asking_the_next_provider_the_primary_button(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    first = mitigations_of(request)[0]
    filtering(first)
    request.subscriptions = request.subscriptions[:1]
    request.save()
    reports(first, Trigger.CAPACITY_EXCEEDED, timezone.now())

    page = page_of(client_of, alice, request)

    assert '<button class="btn" name="subscription"' in page
    assert page.count("Ask Tidewall now") == 2


def test_withdrawing_one_provider_asks_first_with_numbers(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    filtering(first)
    filtering(second)
    url = f"{request.get_absolute_url()}/mitigations/{first.pk}/withdraw"

    page = page_of(client_of, alice, request)
    question = client_of(alice).get(url).content.decode().replace("\u00a0", " ")
    answer = client_of(alice).post(url, follow=True).content.decode()

    assert "Withdraw Northgate only…" in page
    for words in (
        "Withdraw Northgate only?",
        "Northgate will be told to stop filtering 203.0.113.0/26.",
        "Northgate drops 800 Mbit/s. Tidewall goes on filtering."
        " Whatever Tidewall cannot filter of that will reach you.",
        "Keep Northgate",
    ):
        assert words in page
        assert words in question
    assert "alice withdrew Northgate only." in answer
    assert "Stop request not confirmed yet." in answer
    assert [one.wanted for one in mitigations_of(request)] == ["withdrawn", "active"]


def test_the_question_warns_of_unfiltered_traffic_while_the_other_does_not_filter(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    filtering(first)
    sent(second, timezone.now())
    accepted(second, timezone.now())

    assert (
        "Northgate drops 800 Mbit/s. That traffic will reach you:"
        " Tidewall has not reported any filtering."
    ) in page_of(client_of, alice, request)


def test_the_last_provider_has_no_withdraw_button_and_a_forged_post_says_what_to_do(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask()
    filtering(mitigations_of(request)[0])
    url = f"{request.get_absolute_url()}/mitigations/{mitigations_of(request)[0].pk}/withdraw"

    page = page_of(client_of, alice, request)
    browser = client_of(alice)

    assert "only…" not in page
    assert browser.get(url)["Location"] == request.get_absolute_url()
    assert "To stop it, terminate the request" in browser.post(url, follow=True).content.decode()
    assert mitigations_of(request)[0].wanted == "active"


def test_a_viewer_sees_the_lanes_without_buttons(bob: User, ask: Ask, client_of: ClientOf) -> None:
    request = ask(Strategy.PARALLEL)
    for one in mitigations_of(request):
        filtering(one)

    page = page_of(client_of, bob, request)

    assert "Reports that it is filtering." in page
    assert "only…" not in page
    assert "mitigations/ask" not in page


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (LateAcceptance.KEEP, "Northgate accepted late. Tidewall stays on until you withdraw it."),
        (
            LateAcceptance.WITHDRAW_LATER,
            "Northgate accepted late. Tidewall is withdrawn when Northgate reports that it is"
            " filtering.",
        ),
    ],
)
def test_a_late_acceptance_says_what_happens_to_the_later_provider(
    alice: User, ask: Ask, client_of: ClientOf, acme: Organization, policy: str, words: str
) -> None:
    acme.late_acceptance = policy
    acme.save()
    request = ask()
    silent(request)
    first, second = mitigations_of(request)
    filtering(second)
    accepted(first, timezone.now())

    assert words in page_of(client_of, alice, request)

    reports(first, Trigger.FILTERING, timezone.now())
    later = page_of(client_of, alice, request)
    if policy == LateAcceptance.WITHDRAW_LATER:
        assert "Withdrawn because Northgate reports that it is filtering." in later
        assert "The portal withdrew Tidewall." in later
        assert "Ask Tidewall again now" in later
    else:
        assert words in later


def test_unprotected_targets_are_named_beside_good_news(
    alice: User,
    ask: Ask,
    client_of: ClientOf,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    old, new = "203.0.113.0/27", "203.0.113.32/27"
    MitigationRequest.objects.filter(pk=request.pk).update(
        scope={"prefixes": [old, new], "fqdns": [], "uris": []}
    )
    for one, prefix in ((first, old), (second, new)):
        scope = {"prefixes": [prefix], "fqdns": [], "uris": []}
        Mitigation.objects.filter(pk=one.pk).update(scope=scope)
    filtering(first)
    sent(second, timezone.now())
    refuse(second)

    page = page_of(client_of, alice, request)

    assert f"No provider has confirmed help for {new}." in page
    assert f'Only for <span class="mono">{old}</span>' in page
    assert "Retrying at" in page


def test_the_card_of_an_excluded_provider_says_which_limit(
    alice: User, ask: Ask, client_of: ClientOf, acme_tidewall: Subscription
) -> None:
    request = ask()
    Subscription.objects.filter(pk=acme_tidewall.pk).update(limited_to=["2001:db8::/32"])

    page = page_of(client_of, alice, request)

    assert "Not asked.</strong> Tidewall may protect only 2001:db8::/32." in page
    assert "Ask Tidewall now" not in page


def test_a_provider_withdrawn_and_asked_again_has_one_card_with_all_its_traffic(
    alice: User, ask: Ask, client_of: ClientOf, acme_northgate: Subscription
) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    filtering(first)
    filtering(second)
    services.withdraw_provider(
        request_id=request.pk, mitigation_id=first.pk, actor=Actor.person(alice)
    )
    services.ask_provider(
        request_id=request.pk, actor=Actor.person(alice), subscription_id=acme_northgate.pk
    )
    again = request.mitigations.get(subscription=acme_northgate, wanted="active")
    filtering(again, bps=50_000_000)

    page = page_of(client_of, alice, request)

    assert page.count("Northgate Scrubbing </h3>") == 1
    assert "400 Mbit/s dropped; 9 GB so far." in page


def test_an_unsent_mitigation_is_not_shown_as_stopped(
    alice: User, ask: Ask, client_of: ClientOf
) -> None:
    request = ask(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    filtering(first)
    services.withdraw_provider(
        request_id=request.pk, mitigation_id=second.pk, actor=Actor.person(alice)
    )

    page = page_of(client_of, alice, request)

    assert "Nothing had been sent to Tidewall." in page
    assert "Tidewall confirmed that it stopped" not in page


def test_a_provider_asked_in_parallel_is_not_called_a_failover(
    alice: User,
    acme: Organization,
    shop: ProtectedResource,
    client_of: ClientOf,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    Subscription.objects.filter(pk=acme_northgate.pk).update(limited_to=["203.0.113.0/28"])
    request = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.1", "203.0.113.33")),
    )
    for one in reversed(mitigations_of(request)):
        filtering(one)
    Mitigation.objects.filter(pk=mitigations_of(request)[0].pk).update(confirmed_at=timezone.now())

    page = page_of(client_of, alice, request)

    assert "accepted late" not in page
    assert "Northgate and Tidewall at once, each for the targets it may protect" in page
    assert "One after the other" not in page

"""A request that takes protection from a live one: the page says so first, and sends only what the
person chose.
"""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.targets import PortRange
from portal.mitigations import services
from portal.mitigations.consent import Consent
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services as standby
from portal.standby.models import StandbyPlan
from tests.factories import ResourceFactory
from tests.portal.web.conftest import Ask, filtering, mitigations_of, one_line, text_of, typed

FORM = "/organizations/acme/requests/new"
LOSS = "At Northgate, 63 of 64 addresses of 203.0.113.0/26 lose their filter."


@pytest.fixture
def live(ask: Ask) -> MitigationRequest:
    """The shop, which Northgate filters for."""
    request = ask()
    filtering(mitigations_of(request)[0])
    return request


@pytest.fixture
def other(acme: Organization) -> str:
    """An address of Acme's outside the shop."""
    ResourceFactory.create(organization=acme, name="Office", value="198.51.100.0/24")
    return "198.51.100.7"


def buttons(page: str) -> list[tuple[str, bool]]:
    """The buttons that submit the form: their text, and whether each is the primary one."""
    acts = one_line(page[page.index('id="send-acts"') :])
    acts = acts[: acts.index("</div>")]
    found = re.findall(r'<(?:button|a) class="(btn[^"]*)"[^>]*>([^<]+)<', acts)
    return [(words, badge in ("btn", "btn btn--l")) for badge, words in found]


def hidden(page: str) -> list[str]:
    return re.findall(r'name="replaces"\s+value="([^"]+)"', page)


def test_a_warning_names_the_loss_before_anything_is_sent(
    browser: Client, live: MitigationRequest, other: str
) -> None:
    page = browser.post(
        FORM, typed(check="1", other=f"203.0.113.7, {other}", choosing="1", subscriptions=every())
    ).content.decode()

    assert 'class="note is-warn"' in page
    assert "is-info" not in page[page.index('id="overlaps"') : page.index('id="eligible"')]
    assert LOSS in text_of(page)
    assert buttons(page) == [("Send for both", True), ("Send only this", False), ("Preview", False)]
    assert 'id="send-acts" hx-swap-oob="true"' in page
    assert MitigationRequest.objects.count() == 1


def every() -> list[str]:
    return [str(one) for one in Subscription.objects.values_list("pk", flat=True)]


def test_submitting_without_a_choice_sends_nothing_and_asks_for_one(
    browser: Client, live: MitigationRequest, other: str
) -> None:
    answer = browser.post(FORM, typed(other=f"203.0.113.7, {other}"))

    page = answer.content.decode()
    assert answer.status_code == 409
    assert "<title>Error: Request mitigation" in page
    summary = page[page.index('id="sum"') : page.index("<h1")]
    assert "Nothing was sent." in text_of(summary)
    assert 'href="#overlaps"' in summary
    assert LOSS in text_of(summary)
    assert f'value="203.0.113.7, {other}"' in page
    assert hidden(page) == [str(live.pk)]
    assert MitigationRequest.objects.count() == 1


def test_sending_for_both_makes_one_request_despite_repeated_clicks(
    browser: Client, live: MitigationRequest, other: str, shop: ProtectedResource
) -> None:
    fields = typed(other=f"203.0.113.7, {other}", both="1", replaces=[str(live.pk)])

    first, again = browser.post(FORM, fields), browser.post(FORM, fields)

    made = MitigationRequest.objects.exclude(pk=live.pk).get()
    assert first["Location"] == again["Location"] == f"{made.get_absolute_url()}#h"
    assert list(made.resources.all()) == [shop]
    assert list(made.scope.texts) == ["198.51.100.7/32", "203.0.113.0/26", "203.0.113.7/32"]
    assert made.replaces == (live.pk,)


def test_sending_only_this_request_leaves_the_other_targets_out(
    browser: Client, live: MitigationRequest, other: str
) -> None:
    answer = browser.post(
        FORM, typed(other=f"203.0.113.7, {other}", only="1", replaces=[str(live.pk)])
    )

    made = MitigationRequest.objects.exclude(pk=live.pk).get()
    assert answer.status_code == 302
    assert list(made.scope.texts) == ["198.51.100.7/32", "203.0.113.7/32"]
    assert made.replaces == (live.pk,)


def test_requests_are_replaced_only_by_the_confirm_button(
    browser: Client, live: MitigationRequest
) -> None:
    answer = browser.post(FORM, typed(other="203.0.113.7", replaces=[str(live.pk)]))

    assert answer.status_code == 409


def test_an_overlap_not_shown_yet_needs_another_confirmation(
    browser: Client, live: MitigationRequest, alice: User, acme: Organization, other: str
) -> None:
    late = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("198.51.100.0/25",)),
    )

    answer = browser.post(
        FORM, typed(other=f"203.0.113.7, {other}", only="1", replaces=[str(live.pk)])
    )

    page = answer.content.decode()
    assert answer.status_code == 409
    assert set(hidden(page)) == {str(live.pk), str(late.pk)}
    assert ("Send for all of them", True) in buttons(page)
    assert "127 of 128 addresses of 198.51.100.0/25 are no longer requested." in text_of(page)


def test_a_shown_request_that_has_ended_causes_no_error(
    browser: Client, live: MitigationRequest, alice: User, other: str
) -> None:
    services.terminate(request_id=live.pk, actor=Actor.person(alice))

    answer = browser.post(FORM, typed(other="203.0.113.7", only="1", replaces=[str(live.pk), "x"]))

    assert answer.status_code == 302


def test_the_page_links_to_a_request_that_already_covers_everything(
    browser: Client, live: MitigationRequest
) -> None:
    page = browser.post(FORM, typed(other="203.0.113.7")).content.decode()

    assert "Already protected by Shop front-end. Northgate reports it is filtering." in text_of(
        page
    )
    assert buttons(page)[:2] == [("Open Shop front-end", True), ("Send only this", False)]
    assert f'{live.get_absolute_url()}/extend/preview"' in page
    assert LOSS in text_of(page)


def test_repeating_a_request_shows_no_warning(
    browser: Client, live: MitigationRequest, shop: ProtectedResource
) -> None:
    page = browser.get(FORM, {"resource": str(shop.pk)}).content.decode()

    assert "Already protected by Shop front-end." in text_of(page)
    assert "lose" not in text_of(page[page.index('id="overlaps"') : page.index('id="other-field"')])
    assert 'class="note is-warn"' not in page
    assert buttons(page)[:2] == [("Open Shop front-end", True), ("Send it anyway", False)]
    assert browser.post(FORM, typed(resources=[str(shop.pk)])).status_code == 409


def test_nothing_is_called_protected_before_a_provider_reports_it(
    browser: Client, ask: Ask
) -> None:
    ask()

    page = text_of(browser.post(FORM, typed(other="203.0.113.7")).content.decode())

    assert "Already asked for in Shop front-end. Nothing has been sent yet." in page
    assert "Already protected" not in page
    assert "63 of 64 addresses of 203.0.113.0/26 are no longer requested." in page


def test_a_wider_request_is_sent_without_confirmation(
    browser: Client, live: MitigationRequest, other: str, shop: ProtectedResource
) -> None:
    fields = typed(resources=[str(shop.pk)], other=other)

    page = browser.post(FORM, {**fields, "check": "1", "choosing": "1", "subscriptions": every()})
    sent = browser.post(FORM, fields)

    assert "This replaces Shop front-end. This request covers all its targets too." in text_of(
        page.content.decode()
    )
    assert buttons(page.content.decode())[0] == ("Send request", True)
    assert sent.status_code == 302


def test_a_joint_request_that_is_too_large_is_not_offered_and_the_page_says_why(
    browser: Client,
    live: MitigationRequest,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    type(acme_northgate.provider).objects.update(max_targets=1)
    ResourceFactory.create(
        organization=acme_northgate.organization, name="Far", value="198.51.100.0/24"
    )
    services.submit(
        organization=acme_northgate.organization,
        actor=live.requester,
        submission=Submission(prefixes=("198.51.100.0/25",)),
    )
    type(acme_northgate.provider).objects.update(max_targets=2)

    page = browser.post(
        FORM, typed(other="203.0.113.7, 198.51.100.7", ports="443", protocols=["6"])
    ).content.decode()

    assert "Send for" not in page
    assert "One request cannot cover all of it." in text_of(page)
    assert ("Send only this", False) in buttons(page)


def test_an_incomplete_form_with_errors_still_warns(
    browser: Client, live: MitigationRequest, other: str
) -> None:
    page = browser.post(
        FORM,
        typed(
            check="1",
            other=f"203.0.113.7, {other}, 203.0.113.300",
            ports="80-",
            choosing="1",
            subscriptions=every(),
        ),
    ).content.decode()

    assert LOSS in text_of(page)
    assert "300 is more than 255" in page


def test_the_preview_warns_with_the_same_choices(
    browser: Client, live: MitigationRequest, other: str
) -> None:
    page = browser.post(
        "/organizations/acme/requests/preview", typed(other=f"203.0.113.7, {other}")
    ).content.decode()

    assert LOSS in text_of(page)
    assert buttons(page) == [("Send for both", True), ("Send only this", False), ("Change", False)]
    assert hidden(page) == [str(live.pk)]


def test_requesting_several_again_fills_one_form(
    browser: Client, live: MitigationRequest, alice: User, acme: Organization, other: str
) -> None:
    office = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(
            prefixes=("198.51.100.0/25",), protocols=(17,), ports=(PortRange(53, 53),)
        ),
    )

    page = browser.get(FORM, {"again": [str(live.pk), str(office.pk)]}).content.decode()

    assert 'value="198.51.100.0/25"' in page
    assert f'value="{live.resources.get().pk}" checked' in page
    assert "Any port and protocol." in page


def test_asking_another_provider_manually_confirms_a_replacement(
    browser: Client,
    ask: Ask,
    alice: User,
    acme: Organization,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    [first, later] = [
        services.submit(
            organization=acme,
            actor=Actor.person(alice),
            submission=Submission(prefixes=(prefix,), subscriptions=(one.pk,)),
        )
        for prefix, one in (("203.0.113.7/32", acme_northgate), ("203.0.113.0/27", acme_tidewall))
    ]
    filtering(mitigations_of(later)[0])
    url = f"{first.get_absolute_url()}/mitigations/ask"

    answer = browser.post(url, {"subscription": str(acme_tidewall.pk)})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Tidewall was not asked." in text_of(page)
    assert "At Tidewall, 31 of 32 addresses of 203.0.113.0/27 lose their filter." in text_of(page)
    assert f"?again={first.pk}&amp;again={later.pk}" in page
    assert len(mitigations_of(first)) == 1

    answer = browser.post(
        url, {"subscription": str(acme_tidewall.pk), "only": "1", "replaces": hidden(page)}
    )
    assert answer.status_code == 302
    assert len(mitigations_of(first)) == 2


@pytest.fixture
def plan(acme: Organization, alice: User, browser: Client) -> StandbyPlan:
    return standby.create_plan(
        organization=acme,
        actor=Actor.person(alice),
        name="Checkout",
        submission=Submission(prefixes=("203.0.113.0/28",)),
    )


def test_activating_a_plan_confirms_a_replacement(
    browser: Client, live: MitigationRequest, plan: StandbyPlan
) -> None:
    MitigationRequest.objects.filter(pk=live.pk).update(strategy=Strategy.FAILOVER)
    url = f"{plan.get_absolute_url()}/activate"
    shown = text_of(browser.get(url).content.decode())

    answer = browser.post(url, {"key": "k"})
    page = answer.content.decode()
    assert "48 of 64 addresses of 203.0.113.0/26 lose their filter." in shown
    assert answer.status_code == 409
    assert "Nothing was sent." in page
    assert 'value="k"' in page
    assert MitigationRequest.objects.filter(kind="immediate").count() == 1

    both = browser.post(url, {"key": "k", "both": "1", "replaces": hidden(page)})
    made = MitigationRequest.objects.filter(kind="immediate").latest("created_at")
    assert both.status_code == 302
    assert list(made.scope.texts) == ["203.0.113.0/26", "203.0.113.0/28"]


def test_a_provider_skipped_by_failover_says_why(
    browser: Client, ask: Ask, acme_tidewall: Subscription, acme: Organization, alice: User
) -> None:
    """Asking Tidewall for the shop front would end part of a wider request there."""
    narrow = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )
    wide = services.submit(
        organization=acme,
        actor=Actor.person(alice),
        submission=Submission(prefixes=("203.0.113.0/27",), subscriptions=(acme_tidewall.pk,)),
        consent=Consent(named=(narrow.pk,)),
    )
    filtering(mitigations_of(wide)[0])
    reason = (
        "Not asked. The portal does not ask it automatically: that would remove protection from "
        "203.0.113.0/27."
        " At Tidewall, 31 of 32 addresses of 203.0.113.0/27 lose their filter."
    )
    services.record_refused(
        mitigation_id=mitigations_of(narrow)[0].pk, code="4.03", reason="", now=timezone.now()
    )

    for path in (narrow.get_absolute_url(), "/organizations/acme/"):
        page = text_of(browser.get(path).content.decode()).replace("\u00a0", " ")
        assert reason in page, path
        assert "The portal asks it if" not in page

    services.terminate(request_id=wide.pk, actor=Actor.person(alice))

    assert reason not in text_of(browser.get(narrow.get_absolute_url()).content.decode())

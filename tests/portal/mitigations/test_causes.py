"""Sentences saved by earlier releases become codes, without loss."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.mitigations.causes import FAILOVER_CAUSES, Cause, WithdrawnCause
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.wording.causes import asked_because, withdrawn_because
from tests.portal.mitigations.conftest import Submit

old_rows = import_module("portal.mitigations.migrations.0021_causes_of_old_rows")
NAMED = {"Northgate": 1, "Tidewall": 2, "Edge 1": 1}


SAVED = {
    Cause.REFUSED: "Northgate refused",
    Cause.EXCEEDED: "Northgate is over capacity",
    Cause.WITHDREW: "Northgate stopped by itself",
    Cause.SILENT: "Northgate did not answer",
    Cause.TOLD_TO_WAIT: "Northgate asked the portal to wait",
    Cause.LOOPED: "the request did not reach Northgate",
    Cause.NOT_SENDABLE: "the portal could not send it to Northgate",
    Cause.NOT_SAVED: "the portal could not save what Northgate answered",
}
"""Sentences that release 0.1.0 saved; today's may differ."""


@pytest.mark.parametrize("cause", sorted(FAILOVER_CAUSES - {Cause.OTHER}))
def test_the_sentence_of_every_cause_parses_as_that_cause(cause: Cause) -> None:
    assert old_rows.asked(SAVED[cause], NAMED) == (cause, 1)
    assert old_rows.asked(SAVED[cause], {}) == (cause, None)
    assert "Northgate" in asked_because(cause, provider="Northgate")


def test_a_gateway_that_asked_to_wait_counts_as_the_provider_behind_it() -> None:
    sentence = "gateway Edge 1 asked the portal to wait"

    assert old_rows.asked(sentence, NAMED) == (Cause.TOLD_TO_WAIT, 1)
    assert "Edge 1" in asked_because(Cause.TOLD_TO_WAIT, provider="Northgate", gateway="Edge 1")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Northgate reports that it is filtering", ["1"]),
        ("Northgate and Tidewall report that they are filtering", ["1", "2"]),
    ],
)
def test_the_providers_filtering_instead_are_parsed(sentence: str, expected: list[str]) -> None:
    assert old_rows.withdrawn(sentence, NAMED) == (WithdrawnCause.EARLIER_FILTERS, expected)


@pytest.mark.parametrize("sentence", ["the moon was full", "refused", "Northgate  ", "’"])
def test_an_unknown_cause_is_other_and_keeps_its_text(sentence: str) -> None:
    assert old_rows.asked(sentence, NAMED) == (Cause.OTHER, None)
    assert old_rows.withdrawn(sentence, NAMED) == (WithdrawnCause.OTHER, [])
    assert asked_because(Cause.OTHER, text=sentence) == sentence
    assert withdrawn_because(WithdrawnCause.OTHER, [], text=sentence) == sentence


def test_the_text_is_kept_if_the_provider_was_renamed() -> None:
    text = "Harbour refused"

    assert asked_because(Cause.REFUSED, text=text) == text
    assert withdrawn_because(WithdrawnCause.EARLIER_FILTERS, [], text=text) == text


def test_the_text_of_a_process_of_the_earlier_release_is_shown() -> None:
    assert asked_because(Cause.FIRST, text="Northgate refused") == "Northgate refused"


def test_a_name_shared_by_two_providers_matches_neither() -> None:
    shared = [(1, "Northgate", "Edge 1"), (2, "Tidewall", "Edge 1"), (3, "Harbour", "")]

    assert old_rows.by_name(shared) == {"Northgate": 1, "Tidewall": 2, "Harbour": 3}


def is_named(mitigation: Mitigation, sql: str) -> bool:
    return str(mitigation.pk) in sql or mitigation.pk.hex in sql


def test_rows_are_read_in_short_transactions_and_those_of_live_requests_last(
    submit: Submit,
) -> None:
    requests = [submit(Strategy.PARALLEL) for _ in range(6)]
    live = sorted(one.pk for one in requests)[:2]
    MitigationRequest.objects.exclude(pk__in=live).update(status="terminated")
    for request in requests:
        first, second = request.mitigations.all()
        name = first.subscription.provider.short_name
        text, withdrawn = f"{name} did not answer", f"{name} reports that it is filtering"
        Mitigation.objects.filter(pk=second.pk).update(
            cause_text=text, withdrawn_cause_text=withdrawn
        )
        Mitigation.objects.filter(pk=first.pk).update(asked_by=request.created_by)

    with CaptureQueriesContext(connection) as queries:
        old_rows.to_codes(apps, None)

    updates = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    updated = [
        {one.request_id for one in Mitigation.objects.all() if is_named(one, sql)}
        for sql in updates
    ]
    assert [len(one) for one in updated] == [4, 1, 1]
    assert updated[1:] == [{pk} for pk in live]
    for request in requests:
        first, second = request.mitigations.all()
        assert first.cause == Cause.BY_HAND
        assert (second.cause, second.cause_subscription_id) == (
            Cause.SILENT,
            first.subscription_id,
        )
        assert second.withdrawn_for == (first.subscription_id,)

from __future__ import annotations

from typing import Any

import pytest

from provider_simulator.behaviour import Behaviour, BehaviourError


def test_only_named_fields_change() -> None:
    changed = Behaviour().changed({"loss": 0.5, "accept": "silent", "capability_bps": None})

    assert (changed.loss, changed.accept, changed.notify) == (0.5, "silent", True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([], "must be a JSON object"),
        ({"lost": 1}, "'lost' is not one of"),
        ({"accept": "maybe"}, "accept must be one of always, refuse, silent"),
        ({"accept": ["always"]}, "accept"),
        ({"refuse_code": "2.01"}, "refuse_code"),
        ({"refuse_reason": 5}, "refuse_reason must be text"),
        ({"loss": 1.1}, "loss must be a number from 0 to 1"),
        ({"loss": True}, "loss"),
        ({"loss": "half"}, "loss"),
        ({"loss": None}, "loss"),
        ({"loss": float("nan")}, "loss"),
        ({"notify": 1}, "notify must be true or false"),
        ({"capability_bps": -1}, "a number of at least 0 or null"),
        ({"status_delay_s": -0.1}, "status_delay_s"),
        ({"notify_interval_s": 0}, "notify_interval_s"),
        ({"terminating_s": 301}, "terminating_s"),
        ({"max_lifetime_s": 0}, "max_lifetime_s must be a whole number"),
        ({"max_lifetime_s": 1.5}, "max_lifetime_s"),
        ({"redirect_to": "  "}, "redirect_to must be a server name, maybe with IP addresses"),
        ({"redirect_to": "alt.example alt2.example"}, "redirect_to must be a server name"),
        ({"redirect_to": 7}, "redirect_to"),
        ({"hop_loop": " "}, "hop_loop must be names of gateways or null"),
        ({"rearms_on_put": 1}, "rearms_on_put must be true or false"),
        ({"keeps_preconfigured": None}, "keeps_preconfigured must be true or false"),
        ({"poll_code": "2.05"}, "poll_code must be one of 4.00"),
        ({"ignored_mid": -1}, "ignored_mid must be a whole number"),
        ({"ignored_mid": True}, "ignored_mid"),
    ],
)
def test_an_invalid_change_is_refused_with_the_reason(changes: Any, reason: str) -> None:
    with pytest.raises(BehaviourError, match=reason):
        Behaviour().changed(changes)


def test_the_behaviour_can_be_written_back_unchanged() -> None:
    behaviour = Behaviour(redirect_to="alt.example 192.0.2.7")

    assert Behaviour().changed(behaviour.as_json()) == behaviour

from __future__ import annotations

from dots_client.codec.trees import PARAMETER_NAMES, report_of, report_tree, scope_tree
from dots_client.model import MitigationReport, Scope, Targets

WEB = Targets(target_fqdn=("www.example.net",))


def test_absent_attributes_are_absent_from_the_tree() -> None:
    assert scope_tree(Scope(targets=WEB)) == {
        "target-fqdn": ["www.example.net"],
        "lifetime": 3600,
    }
    assert report_tree(MitigationReport(mid=0)) == {"mid": 0}


def test_a_preconfigured_request_is_marked_on_the_wire() -> None:
    assert scope_tree(Scope(targets=WEB, trigger_mitigation=False))["trigger-mitigation"] is False


def test_a_report_without_targets_has_none() -> None:
    assert report_of({"mid": 1}).targets is None
    assert report_of({"mid": 1, "target-fqdn": ["www.example.net"]}).targets == WEB


def test_the_six_parameters_have_the_names_of_the_rfc() -> None:
    assert set(PARAMETER_NAMES) == {
        "heartbeat-interval",
        "missing-hb-allowed",
        "probing-rate",
        "max-retransmit",
        "ack-timeout",
        "ack-random-factor",
    }

from __future__ import annotations

import pytest

from dots_client import (
    AclEntry,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    MitigationReport,
    MitigationStatus,
    PortRange,
    Targets,
)
from portal.core import targets
from portal.core.json_value import write_json
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict
from portal.mitigations.states import KNOWN_REPORTS, Trigger
from portal.signaling.mapping import (
    MAX_NAMED,
    TRIGGERS,
    conflict_of,
    provider_report,
    scope_of,
)
from portal.wording.refusals import conflict_sentence


def test_every_status_of_the_protocol_has_its_trigger() -> None:
    assert set(TRIGGERS) == set(MitigationStatus) == set(KNOWN_REPORTS)
    assert len(set(TRIGGERS.values())) == len(TRIGGERS)


@pytest.mark.rule("SC-044")
@pytest.mark.rule("SC-062")
def test_a_provider_is_sent_its_own_targets_as_they_were_committed() -> None:
    request = MitigationRequest(
        scope=targets.Targets.saved(
            prefixes=["198.51.100.0/24", "203.0.113.7/32"], fqdns=["shop.example"]
        ),
        ports=(targets.PortRange(80, 80), targets.PortRange(8000, 8080)),
        protocols=(6,),
    )

    own_part = targets.Targets.saved(prefixes=["203.0.113.7/32"], fqdns=["shop.example"])

    scope = scope_of(Mitigation(request=request, scope=own_part), lifetime_s=600)

    assert scope.lifetime == 600
    assert scope.targets == Targets(
        target_prefix=("203.0.113.7/32",),
        target_fqdn=("shop.example",),
        target_port_range=(PortRange(lower=80), PortRange(lower=8000, upper=8080)),
        target_protocol=(6,),
    )


@pytest.mark.parametrize(
    ("kind", "is_triggered"), [("immediate", True), ("standby", False), ("drill", False)]
)
def test_only_a_request_for_help_now_triggers_mitigation_now(kind: str, is_triggered: bool) -> None:
    mitigation = Mitigation(
        request=MitigationRequest(kind=kind),
        scope=targets.Targets.saved(prefixes=["203.0.113.7/32"]),
    )

    assert scope_of(mitigation, lifetime_s=600).trigger_mitigation is is_triggered


def test_a_report_is_translated_to_the_portals_terms() -> None:
    report = provider_report(
        MitigationReport(
            mid=1,
            lifetime=1756,
            status=MitigationStatus.MITIGATING,
            mitigation_start=1507818434,
            bps_dropped=43344,
        )
    )

    assert (report.dots_status, report.trigger, report.lifetime_s) == (2, Trigger.FILTERING, 1756)
    assert report.mitigation_start is not None
    assert report.mitigation_start.isoformat() == "2017-10-12T14:27:14+00:00"
    assert report.counters == {"bps_dropped": 43344}


@pytest.mark.parametrize("number", [0, 9, 255])
def test_an_unassigned_status_keeps_its_number_and_triggers_nothing(number: int) -> None:
    report = provider_report(MitigationReport(mid=1, status=number, lifetime=60))

    assert (report.dots_status, report.trigger, report.lifetime_s) == (number, None, 60)


def test_a_mitigation_with_start_0_has_not_started() -> None:
    assert provider_report(MitigationReport(mid=1, mitigation_start=0)).mitigation_start is None


def test_a_start_outside_the_calendar_does_not_spoil_the_report() -> None:
    report = provider_report(MitigationReport(mid=1, lifetime=1, mitigation_start=2**64 - 1))

    assert report.mitigation_start is None
    assert report.lifetime_s == 1


@pytest.mark.rule("SC-057")
@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (1, "asked for the same addresses"),
        (2, "accept list"),
        (3, "same identity"),
        (4, "It classified the traffic to these addresses as legitimate."),
        (5, "The link capacity it was told overlaps"),
        (0, "It gave conflict cause 0, which the portal does not know."),
        (99, "It gave conflict cause 99, which the portal does not know."),
        (None, "It conflicts with another request."),
    ],
)
def test_every_conflict_has_a_sentence(cause: int | None, words: str) -> None:
    conflict = conflict_of(ConflictInformation(cause=cause))

    assert write_json(conflict) == {"cause": cause}
    assert words in conflict_sentence(conflict)
    assert conflict_sentence(conflict).endswith(".")


def test_every_known_cause_has_its_own_sentence() -> None:
    reasons = {
        conflict_sentence(conflict_of(ConflictInformation(cause=cause))) for cause in ConflictCause
    }

    assert len(reasons) == len(ConflictCause)
    assert not any("does not know" in reason for reason in reasons)


def test_an_unassigned_conflict_status_keeps_its_number() -> None:
    assert conflict_of(ConflictInformation(status=9)).status == "unknown-9"


def test_a_limited_number_of_targets_of_a_conflict_is_saved() -> None:
    many = tuple(f"203.0.113.{host}/32" for host in range(100))
    filters = tuple(AclEntry(acl_name=name) for name in many)

    conflict = conflict_of(
        ConflictInformation(targets=Targets(target_prefix=many), acl_list=filters)
    )

    assert len(conflict.prefixes) == len(conflict.accept_lists) == MAX_NAMED


@pytest.mark.rule("SC-072")
def test_a_conflict_with_our_own_newer_request_says_so() -> None:
    conflict = ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS, mid=7)

    assert write_json(conflict_of(conflict)) == {"cause": 1, "mid": 7}
    assert (
        conflict_sentence(conflict_of(conflict))
        == "You already have a newer request for these addresses."
    )


def test_a_sentence_saved_by_an_earlier_release_is_shown_only_without_a_code() -> None:
    assert conflict_sentence(ProviderConflict(reason="Too many.")) == "Too many."
    assert (
        conflict_sentence(ProviderConflict(reason="Too many.", cause=3))
        == "Another client uses the same identity."
    )


def test_a_conflict_keeps_its_fields_for_programs() -> None:
    conflict = conflict_of(
        ConflictInformation(
            cause=ConflictCause.CONFLICT_WITH_ACCEPTLIST,
            status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
            retry_timer_s=600,
            targets=Targets(target_prefix=("203.0.113.7/32",)),
            acl_list=(AclEntry(acl_name="partners"),),
        )
    )

    assert write_json(conflict) == {
        "cause": 2,
        "status": "request-inactive-other-active",
        "retry_after": 600,
        "prefixes": ["203.0.113.7/32"],
        "accept_lists": ["partners"],
    }

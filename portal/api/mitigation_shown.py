"""A mitigation as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from portal.accounts.models import User
from portal.api.fields import ApiSerializer, SparseShown
from portal.mitigations.models import (
    Cause,
    FilteringEndedBy,
    Mitigation,
    ProviderConflict,
    WithdrawnCause,
)
from portal.mitigations.states import ATTACK_STATUSES, CONFIRMED, Efficacy, Status
from portal.organizations.acting import name_at
from portal.wording.from_rows.mitigations import asked_because, withdrawn_because
from portal.wording.refusals import conflict_sentence


class ScopeShown(ApiSerializer[Any]):
    prefixes = serializers.ListField(child=serializers.CharField())
    fqdns = serializers.ListField(child=serializers.CharField())
    uris = serializers.ListField(child=serializers.CharField())


class PortsShown(ApiSerializer[Any]):
    lower = serializers.IntegerField()
    upper = serializers.IntegerField()


class RefusalShown(ApiSerializer[Any]):
    code = serializers.CharField(
        help_text="The provider's response code, such as 4.03; or "
        "`not-sendable`, the portal's own: it "
        "could not encode the"
        " request, so it was not sent."
    )
    reason = serializers.CharField()


class EfficacyShown(ApiSerializer[Mitigation]):
    attack_status = serializers.ChoiceField(choices=list(ATTACK_STATUSES))
    reported_at = serializers.DateTimeField(source="efficacy_asked_at")
    state = serializers.ChoiceField(
        choices=Efficacy.choices,
        source="efficacy_state",
        help_text=(
            "The outcome: the portal repeats a `put_off` report at `retry_at`; `unanswered` means "
            "no answer came."
        ),
    )
    code = serializers.CharField(
        source="efficacy_code", help_text="Why the provider did not accept it."
    )
    reason = serializers.CharField(source="efficacy_reason")
    retry_at = serializers.DateTimeField(
        source="next_efficacy_at", allow_null=True, help_text="Null once the mitigation is over."
    )


class StillHeldShown(ApiSerializer[Any]):
    withdrawn_at = serializers.DateTimeField(
        source="withdrawal_confirmed_at", help_text="When the provider confirmed the withdrawal."
    )
    tries = serializers.IntegerField(
        source="release_tries",
        help_text="How often the portal tried to end it with a lifetime of 1.",
    )
    last_try_at = serializers.DateTimeField(source="release_tried_at", allow_null=True)
    given_up = serializers.BooleanField(source="is_release_given_up")
    phone = serializers.CharField(
        source="subscription.provider.phone", help_text="The number to call to have it removed."
    )


class CountersShown(ApiSerializer[Mitigation]):
    bytes_dropped = serializers.IntegerField(allow_null=True)
    pkts_dropped = serializers.IntegerField(allow_null=True)
    bps_dropped = serializers.IntegerField(allow_null=True, help_text="Bytes per second.")
    pps_dropped = serializers.IntegerField(allow_null=True, help_text="Packets per second.")


class NewerShown(ApiSerializer[Any]):
    request = serializers.UUIDField()
    name = serializers.CharField()
    targets = serializers.ListField(
        child=serializers.CharField(),
        help_text="The overlapping targets that it protects at this provider.",
    )
    ports = PortsShown(many=True, help_text="The ports it covers, if fewer.")
    protocols = serializers.ListField(child=serializers.IntegerField())


class ReplacedByShown(ApiSerializer[Any]):
    by = NewerShown(
        many=True, help_text="Empty: the provider named a request that the portal does not know."
    )
    lost = serializers.ListField(
        child=serializers.CharField(),
        help_text="The targets that lost all or part of their protection at this provider.",
    )
    loses = serializers.ListField(
        child=serializers.CharField(),
        help_text="The same targets, with the part of each that is still protected.",
    )


class ConflictShown(SparseShown):
    reason = serializers.SerializerMethodField(help_text="The cause as a clause, for people.")
    cause = serializers.IntegerField(
        allow_null=True,
        help_text=(
            "conflict-cause, a number of RFC 9132, 9066 or 9244; null: the provider gave none."
        ),
    )
    status = serializers.CharField(required=False, help_text="conflict-status.")
    retry_after = serializers.IntegerField(required=False, help_text="Seconds.")
    mid = serializers.IntegerField(
        required=False, help_text="The mitigation that it conflicts with."
    )
    prefixes = serializers.ListField(child=serializers.CharField(), required=False)
    accept_lists = serializers.ListField(child=serializers.CharField(), required=False)

    def get_reason(self, conflict: ProviderConflict) -> str:
        return conflict_sentence(conflict)


class FilteringEndShown(ApiSerializer[Any]):
    at = serializers.DateTimeField(help_text="When the portal learned of it.")
    reported_at = serializers.DateTimeField(
        allow_null=True, help_text="When the provider last reported that it acted."
    )
    by = serializers.ChoiceField(
        choices=FilteringEndedBy.choices,
        help_text="How: it holds the plan again, no longer knows it, "
        "withdrew it, let its lifetime run "
        "out, "
        "or took a newer"
        " request that protects less.",
    )
    has_filtered = serializers.BooleanField(help_text="False: it was still setting up.")
    conflict = ConflictShown(
        allow_null=True, help_text="The conflict that the provider named, or null."
    )
    replaced_by = ReplacedByShown(
        allow_null=True, help_text="For newer_request: what it protects instead."
    )


class MitigationShown(ApiSerializer[Mitigation]):
    id = serializers.UUIDField()
    subscription = serializers.UUIDField(source="subscription_id")
    provider = serializers.CharField(source="subscription.provider.name")
    mid = serializers.IntegerField()
    targets = ScopeShown(
        source="scope", help_text="The part of the request that this provider may protect."
    )
    asked_at = serializers.DateTimeField()
    asked_by = serializers.SerializerMethodField(
        help_text="The person who asked it manually; null: it was asked automatically."
    )
    cause = serializers.ChoiceField(
        choices=Cause.choices,
        help_text="Why the portal asked it. first: for the "
        "request itself; by_hand: a person "
        "asked it; "
        "held_again: to hold a plan "
        "again; other: see because; the rest: the provider of cause_subscription did not help.",
    )
    cause_subscription = serializers.UUIDField(
        source="cause_subscription_id",
        allow_null=True,
        help_text="The subscription whose provider did not help.",
    )
    because = serializers.SerializerMethodField(help_text="The cause as a clause, for people.")
    retry_at = serializers.DateTimeField(
        source="next_ask_at",
        allow_null=True,
        help_text=(
            "The portal does not retry this provider before this time, and only while no "
            "other helps. Null: no retry."
        ),
    )
    withdrawn_by = serializers.SerializerMethodField(
        help_text="The person who withdrew this provider only."
    )
    withdrawn_cause = serializers.ChoiceField(
        choices=WithdrawnCause.choices,
        allow_blank=True,
        help_text="Why the organization’s policy withdrew it.",
    )
    withdrawn_for = serializers.ListField(
        child=serializers.UUIDField(),
        help_text="For earlier_filters: the subscriptions whose providers filter instead.",
    )
    withdrawn_because = serializers.SerializerMethodField(
        help_text="The cause of the withdrawal as a clause, for people."
    )
    hold_again = serializers.BooleanField(
        help_text="For a plan: it is told to stop, then asked to hold the plan again."
    )
    status = serializers.ChoiceField(choices=Status.choices)
    dots_status = serializers.IntegerField(allow_null=True)
    refusal = serializers.SerializerMethodField()
    conflict = ConflictShown(allow_null=True)
    unsaved_at = serializers.DateTimeField(
        allow_null=True,
        help_text=(
            "When the provider gave an answer that the portal could not save; the other fields "
            "are older."
        ),
    )
    lifetime_remaining = serializers.SerializerMethodField()
    replaced_by = ReplacedByShown(
        allow_null=True, help_text="The newer requests that the provider holds instead of this one."
    )
    filtering_end = FilteringEndShown(
        allow_null=True,
        help_text=(
            "For a plan: how the provider stopped filtering without being asked "
            "to. Null while it filters."
        ),
    )
    mitigation_start = serializers.DateTimeField(allow_null=True)
    counters = CountersShown(source="*")
    still_held = serializers.SerializerMethodField(
        help_text=(
            "For a plan: the provider confirmed the withdrawal but still holds it, and may start "
            "it when contact is lost."
        )
    )
    efficacy = serializers.SerializerMethodField(
        help_text="The attack status last reported to this provider."
    )
    sent_at = serializers.DateTimeField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(RefusalShown(allow_null=True))
    def get_refusal(self, mitigation: Mitigation) -> dict[str, str] | None:
        if not mitigation.refusal_code:
            return None
        reason = mitigation.refusal_reason
        if not reason and mitigation.conflict is not None:
            reason = conflict_sentence(mitigation.conflict)
        return {"code": mitigation.refusal_code, "reason": reason}

    @extend_schema_field(StillHeldShown(allow_null=True))
    def get_still_held(self, mitigation: Mitigation) -> Any:
        return StillHeldShown(mitigation).data if mitigation.is_still_held else None

    @extend_schema_field(EfficacyShown(allow_null=True))
    def get_efficacy(self, mitigation: Mitigation) -> Any:
        if mitigation.efficacy_state is None:
            return None
        return EfficacyShown(mitigation).data

    def get_because(self, mitigation: Mitigation) -> str:
        return asked_because(mitigation)

    def get_withdrawn_because(self, mitigation: Mitigation) -> str:
        return withdrawn_because(mitigation)

    def get_asked_by(self, mitigation: Mitigation) -> str | None:
        return who_at(mitigation, mitigation.asked_by, mitigation.asked_at)

    def get_withdrawn_by(self, mitigation: Mitigation) -> str | None:
        return who_at(mitigation, mitigation.withdrawn_by, mitigation.withdrawal_asked_at)

    def get_lifetime_remaining(self, mitigation: Mitigation) -> int | None:
        is_held = mitigation.status in (*CONFIRMED, Status.TERMINATING)
        return mitigation.lifetime_remaining_s(timezone.now()) if is_held else None


def who_at(row: Any, person: User | None, at: datetime | None) -> str | None:
    return name_at(person, row.organization_id, at) or None

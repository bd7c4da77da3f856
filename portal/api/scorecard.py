"""`organizations/{slug}/scorecard`, `scorecard` for staff, and the service levels of a
subscription.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.time_zones import UTC, zone_names
from portal.api.authentication import actor_of, caller, membership_of
from portal.api.fields import ApiSerializer, Percent, StrictSerializer, WholeNumber
from portal.api.members import admin_of
from portal.connections.services import subscription_for
from portal.core.errors import Invalid
from portal.organizations import founding
from portal.organizations.models import Organization
from portal.scorecard.figures import (
    MIN_FOR_MEDIAN,
    MIN_FOR_P95,
    MIN_FOR_SHARE,
    MIN_MEASURED_S,
    Figures,
    SessionTime,
    Times,
)
from portal.scorecard.models import MAX_WITHIN_S, MIN_WITHIN_S, ServiceLevels
from portal.scorecard.periods import period_of
from portal.scorecard.scorecards import (
    Completeness,
    MonthScore,
    ProviderScore,
    Scorecard,
    scorecard_of,
)
from portal.scorecard.services import LevelValues, set_service_levels

PARAMETERS: Final = [
    OpenApiParameter(
        "from", str, description="The first month, such as 2026-11. Default: `to`, or this month."
    ),
    OpenApiParameter("to", str, description="The last month; at most 12. Default: `from`."),
    OpenApiParameter(
        "time_zone",
        str,
        description="Where months begin: UTC (the default), or a zone such as Europe/Prague.",
    ),
]
NO_FIGURE: Final = "Null: fewer values than `minimums` says."
SENT_PERCENT: Final = f"Percent of those sent. {NO_FIGURE}"


class LevelsShown(ApiSerializer[LevelValues]):
    accept_within = serializers.IntegerField(
        source="accept_within_s", allow_null=True, help_text="Seconds; null: not agreed."
    )
    filter_within = serializers.IntegerField(source="filter_within_s", allow_null=True)
    stop_within = serializers.IntegerField(source="stop_within_s", allow_null=True)
    availability = serializers.FloatField(
        allow_null=True, help_text="Percent of the time that the session is up."
    )


def _within(column: str) -> WholeNumber:
    return WholeNumber(at_least=MIN_WITHIN_S, at_most=MAX_WITHIN_S, allow_null=True, source=column)


class NewLevels(StrictSerializer):
    accept_within = _within("accept_within_s")
    filter_within = _within("filter_within_s")
    stop_within = _within("stop_within_s")
    availability = Percent(allow_null=True)


class TimesShown(ApiSerializer[Times]):
    count = serializers.IntegerField()
    median = serializers.FloatField(
        source="median_s", allow_null=True, help_text=f"Seconds. {NO_FIGURE}"
    )
    p95 = serializers.FloatField(
        source="p95_s", allow_null=True, help_text=f"Seconds, by nearest rank. {NO_FIGURE}"
    )


class RefusalReasonShown(ApiSerializer[Any]):
    code = serializers.CharField()
    conflict_cause = serializers.IntegerField(allow_null=True)
    count = serializers.IntegerField(help_text="Mitigations.")


class SessionTimeShown(ApiSerializer[SessionTime]):
    up = serializers.FloatField(source="up_s", help_text="Seconds.")
    down = serializers.FloatField(source="down_s")
    not_measured = serializers.FloatField(
        source="not_measured_s",
        help_text="Without a session because of the portal itself, or before its first event.",
    )
    availability = serializers.FloatField(
        source="percent", allow_null=True, help_text=f"Percent of `up` and `down`. {NO_FIGURE}"
    )


class DrillFiguresShown(ApiSerializer[Any]):
    sent = serializers.IntegerField()
    accepted = serializers.IntegerField()
    refused = serializers.IntegerField()
    time_to_accept = TimesShown(source="accept")


class FiguresShown(ApiSerializer[Figures]):
    asked = serializers.IntegerField(help_text="Mitigations; all counts are.")
    unsent = serializers.IntegerField(help_text="Nothing left the portal.")
    sent = serializers.IntegerField()
    accepted = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="At least once; it may be accepted later.")
    exceeded = serializers.IntegerField(help_text="The provider reported too little capacity.")
    put_off = serializers.IntegerField(help_text="The provider asked to wait.")
    looped = serializers.IntegerField(help_text="Gateways passed it round in a loop.")
    unanswered = serializers.IntegerField()
    refused_percent = serializers.FloatField(
        source="refused_share.percent",
        allow_null=True,
        help_text=SENT_PERCENT,
    )
    exceeded_percent = serializers.FloatField(
        source="exceeded_share.percent",
        allow_null=True,
        help_text=SENT_PERCENT,
    )
    refusals = serializers.SerializerMethodField(
        help_text="By code and conflict cause (RFC 9132 section 4.4.1.3), the most frequent first."
    )
    time_to_accept = TimesShown(source="accept")
    time_to_filter = TimesShown(source="filter")
    time_to_stop = TimesShown(source="stop")
    stop_unconfirmed = serializers.IntegerField(
        help_text="Withdrawn, and over without a word of the provider."
    )
    said_mitigated = serializers.IntegerField(
        source="mitigated", help_text="People reported last that it is mitigated successfully."
    )
    said_under_attack = serializers.IntegerField(source="under_attack")
    session = SessionTimeShown(source="sessions")
    drills = DrillFiguresShown(
        source="drill_figures", help_text="Apart: they are in no other figure."
    )
    missing_mitigations = serializers.IntegerField(
        source="lacking_events", help_text="Whose events the portal no longer has."
    )

    @extend_schema_field(RefusalReasonShown(many=True))
    def get_refusals(self, figures: Figures) -> list[dict[str, Any]]:
        return [
            {"code": reason.code, "conflict_cause": reason.cause, "count": count}
            for reason, count in figures.reasons
        ]


class StaffFiguresShown(FiguresShown):
    organizations = serializers.IntegerField(help_text="That asked the provider.")


class MonthScoreShown(ApiSerializer[MonthScore]):
    month = serializers.CharField()
    completeness = serializers.ChoiceField(choices=[one.value for one in Completeness])
    figures = FiguresShown()


class StaffMonthScoreShown(ApiSerializer[MonthScore]):
    month = serializers.CharField()
    completeness = serializers.ChoiceField(choices=[one.value for one in Completeness])
    figures = StaffFiguresShown()


class ScoredProviderShown(ApiSerializer[ProviderScore]):
    id = serializers.UUIDField(source="provider")
    name = serializers.CharField()


class StaffProviderScoreShown(ApiSerializer[ProviderScore]):
    provider = ScoredProviderShown(source="*")
    completeness = serializers.ChoiceField(choices=[one.value for one in Completeness])
    figures = StaffFiguresShown(help_text="For the whole period.")
    months = StaffMonthScoreShown(many=True)


class WithinAgreedShown(ApiSerializer[Any]):
    accept = serializers.IntegerField(allow_null=True)
    filter = serializers.IntegerField(allow_null=True)
    stop = serializers.IntegerField(allow_null=True)


class ProviderScoreShown(ApiSerializer[ProviderScore]):
    provider = ScoredProviderShown(source="*")
    service_levels = LevelsShown(source="levels")
    completeness = serializers.ChoiceField(choices=[one.value for one in Completeness])
    figures = FiguresShown(help_text="For the whole period.")
    within_agreed = serializers.SerializerMethodField(
        help_text="How many of the times in `figures` keep the service level; null: not agreed."
    )
    months = MonthScoreShown(many=True)

    @extend_schema_field(WithinAgreedShown)
    def get_within_agreed(self, score: ProviderScore) -> dict[str, int | None]:
        return {
            name: None
            if (limit := getattr(score.levels, f"{name}_within_s")) is None
            else getattr(score.figures, name).within(limit)
            for name in ("accept", "filter", "stop")
        }


class MinimumsShown(ApiSerializer[Any]):
    median = serializers.IntegerField()
    p95 = serializers.IntegerField()
    percent = serializers.IntegerField()
    availability = serializers.IntegerField(help_text="Seconds of measured session.")


MINIMUMS: Final = {
    "median": MIN_FOR_MEDIAN,
    "p95": MIN_FOR_P95,
    "percent": MIN_FOR_SHARE,
    "availability": MIN_MEASURED_S,
}


class _PeriodShown(ApiSerializer[Scorecard]):
    first = serializers.CharField(source="period.first")
    last = serializers.CharField(source="period.last")
    time_zone = serializers.CharField(source="period.zone.key")
    begins = serializers.DateTimeField(source="period.begins")
    until = serializers.DateTimeField(help_text="The end of the period, or now.")
    completeness = serializers.ChoiceField(
        choices=[one.value for one in Completeness],
        help_text="`running`: not over yet; `incomplete`: events were removed.",
    )
    minimums = serializers.SerializerMethodField(help_text="The fewest values for a figure.")

    @extend_schema_field(MinimumsShown)
    def get_minimums(self, _: Scorecard) -> dict[str, int]:
        return MINIMUMS


class ScorecardShown(_PeriodShown):
    providers = ProviderScoreShown(many=True)


class StaffScorecardShown(_PeriodShown):
    providers = StaffProviderScoreShown(many=True)


class ScorecardView(APIView):
    @extend_schema(operation_id="read_scorecard", parameters=PARAMETERS, responses=ScorecardShown)
    def get(self, request: Request, slug: str) -> Response:
        """How long each provider took, what it refused and how available its session was, for the
        whole period and for each month, beside the service levels. docs/scorecard.md says how each
        figure is computed. 409 `too-much-to-score` for a period with more than 20,000 mitigations.
        """
        organization = membership_of(request, slug).organization
        return Response(ScorecardShown(_scorecard(request, organization)).data)


class StaffScorecardView(APIView):
    @extend_schema(
        operation_id="read_scorecard_of_all", parameters=PARAMETERS, responses=StaffScorecardShown
    )
    def get(self, request: Request) -> Response:
        """The same of all organizations together. For portal staff."""
        founding.MAY_ADD.require(caller(request))
        return Response(StaffScorecardShown(_scorecard(request, None)).data)


class ServiceLevelsView(APIView):
    @extend_schema(operation_id="read_service_levels", responses=LevelsShown)
    def get(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """What the provider agreed to."""
        own = subscription_for(membership_of(request, slug).organization, subscription_id)
        row = ServiceLevels.objects.filter(pk=own.pk).first()
        return Response(LevelsShown(LevelValues.of(row)).data)

    @extend_schema(operation_id="set_service_levels", request=NewLevels, responses=LevelsShown)
    def put(self, request: Request, slug: str, subscription_id: UUID) -> Response:
        """Replace what the provider agreed to; null: not agreed. Needs the role admin and a fresh
        second factor.
        """
        own = subscription_for(admin_of(request, slug).organization, subscription_id)
        form = NewLevels.of(request)
        values = LevelValues(**form.validated_data)
        set_service_levels(subscription=own, actor=actor_of(request), values=values)
        return Response(LevelsShown(values).data)


def _scorecard(request: Request, organization: Organization | None) -> Scorecard:
    now, asked = timezone.now(), request.query_params
    name = asked.get("time_zone", UTC)
    if name not in zone_names():
        message = "time_zone must be UTC or a zone that is named after a place: Europe/Prague."
        raise Invalid.at("time_zone", "not-a-time-zone", message)
    period = period_of(asked.get("from", ""), asked.get("to", ""), now=now, zone=ZoneInfo(name))
    return scorecard_of(organization, period, now)

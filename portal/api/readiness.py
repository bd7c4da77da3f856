"""`organizations/{slug}/readiness`."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import membership_of
from portal.api.fields import ApiSerializer
from portal.readiness.gather import Readiness, readiness_of
from portal.readiness.rows import CheckCode, Group, Row, State, of

STATES = [(state.value, state.name) for state in State]


class CheckShown(ApiSerializer[Row]):
    code = serializers.ChoiceField(choices=[(code.value, code.name) for code in CheckCode])
    about = serializers.SerializerMethodField()
    group = serializers.ChoiceField(choices=[(group.value, group.name) for group in Group])
    state = serializers.ChoiceField(choices=STATES)
    question = serializers.CharField()
    evidence = serializers.CharField()

    def get_about(self, row: Row) -> str | None:
        """The id of the subscription or plan the check is about."""
        return row.about or None


class CountsShown(ApiSerializer[dict[str, int]]):
    def get_fields(self) -> dict[str, serializers.Field]:  # type: ignore[type-arg]  # generic in the stubs only
        # "pass" is a keyword, so it cannot be a name in a class body.
        return {state.value: serializers.IntegerField() for state in State}


class ReadinessShown(ApiSerializer[Readiness]):
    state = serializers.ChoiceField(choices=STATES, source="answer.state")
    headline = serializers.CharField(source="answer.headline")
    counts = serializers.SerializerMethodField()
    checked_at = serializers.DateTimeField()
    checks = CheckShown(many=True, source="rows")

    @extend_schema_field(CountsShown)
    def get_counts(self, readiness: Readiness) -> dict[str, int]:
        return {state.value: len(of(readiness.rows, state)) for state in State}


class ReadinessView(APIView):
    @extend_schema(operation_id="read_readiness", responses=ReadinessShown)
    def get(self, request: Request, slug: str) -> Response:
        """Readiness right now: every check with a stable code, the worst state, and
        the headline of the page.
        """
        membership = membership_of(request, slug)
        return Response(ReadinessShown(readiness_of(membership, timezone.now())).data)

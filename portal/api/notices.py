"""`me/notices/{slug}`: what the calling person gets about one organization, and how."""

from __future__ import annotations

from datetime import time
from typing import Any, Final

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.api.authentication import actor_of, caller
from portal.api.fields import ApiSerializer, Choice, Several, StrictSerializer, Text, YesNo
from portal.core.errors import FieldError, Invalid
from portal.notifications.choices import (
    NoticeCell,
    choices_of,
    choose,
    quiet_hours_of,
    set_quiet_hours,
)
from portal.notifications.kinds import KIND_CHOICES, NoticeKind
from portal.notifications.membership import own_membership
from portal.notifications.retries import quiet_texts
from portal.organizations.models import Membership

MAX_CHOICES: Final = 200
"""In one call."""
MAX_CHANNEL_LENGTH: Final = 20
TIME_LENGTH: Final = 5
"""Such as 22:00."""


class QuietHoursShown(ApiSerializer[Any]):
    begins = serializers.CharField(help_text="Such as `22:00`, in the person's time zone.")
    ends = serializers.CharField(help_text="Earlier than `begins`: on the next day.")


class NoticeChoiceShown(ApiSerializer[NoticeCell]):
    kind = serializers.ChoiceField(choices=KIND_CHOICES)
    channel = serializers.CharField(source="channel_kind", help_text="Such as `email`.")
    wanted = serializers.BooleanField(source="is_wanted")
    is_default = serializers.BooleanField(help_text="The person did not choose it.")
    always = serializers.BooleanField(
        source="is_fixed", help_text="The portal mails it, whatever the person chose."
    )


class OwnNoticesShown(ApiSerializer[Any]):
    quiet_hours = QuietHoursShown(allow_null=True)
    choices = NoticeChoiceShown(many=True)


class NewChoice(StrictSerializer):
    kind = Choice([one.value for one in NoticeKind])
    channel = Text(max_length=MAX_CHANNEL_LENGTH)
    wanted = YesNo()


class NewQuietHours(StrictSerializer):
    begins = Text(max_length=TIME_LENGTH)
    ends = Text(max_length=TIME_LENGTH)


class NewNotices(StrictSerializer):
    quiet_hours = NewQuietHours(required=False, allow_null=True)
    choices = Several(child=NewChoice(), required=False, limit=MAX_CHOICES)


class OwnNoticesView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="get_my_notices", responses=OwnNoticesShown)
    def get(self, request: Request, slug: str) -> Response:
        """What the caller gets about an organization of the caller, by kind and channel."""
        return _shown(own_membership(caller(request), slug))

    @extend_schema(operation_id="change_my_notices", request=NewNotices, responses=OwnNoticesShown)
    def patch(self, request: Request, slug: str) -> Response:
        """Change what is given, and leave the rest. `quiet_hours` null: there are none."""
        membership = own_membership(caller(request), slug)
        form = NewNotices.of(request)
        _save(membership, actor_of(request), form.validated_data)
        return _shown(membership)


@transaction.atomic
def _save(membership: Membership, actor: Any, given: dict[str, Any]) -> None:
    if "quiet_hours" in given:
        set_quiet_hours(membership, actor=actor, quiet=_quiet(given["quiet_hours"]))
    wanted = {(one["kind"], one["channel"]): one["wanted"] for one in given.get("choices", [])}
    choose(membership, actor=actor, wanted=wanted)


def _quiet(given: dict[str, str] | None) -> tuple[time, time] | None:
    if given is None:
        return None
    return _time("begins", given["begins"]), _time("ends", given["ends"])


def _time(name: str, text: str) -> time:
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        words = "Write a time of day like 22:00."
        error = FieldError(f"quiet_hours.{name}", "not-a-time", words)
        raise Invalid("Nothing was saved.", errors=[error]) from None


def _shown(membership: Membership) -> Response:
    quiet = quiet_hours_of(membership)
    shown = {
        "quiet_hours": dict(zip(("begins", "ends"), quiet_texts(quiet), strict=True))
        if quiet
        else None,
        "choices": choices_of(membership),
    }
    return Response(OwnNoticesShown(shown).data)

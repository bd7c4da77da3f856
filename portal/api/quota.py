"""`quota`: the limit on live requests that submitting the previewed body would exceed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from rest_framework import serializers

from portal.accounts.actors import Actor
from portal.api.fields import ApiSerializer
from portal.mitigations.quota import Quota
from portal.mitigations.replacement import Replaced
from portal.mitigations.services.quota_check import quota_excess
from portal.mitigations.wording import quota_sentence
from portal.organizations.models import Organization


class QuotaShown(ApiSerializer[Any]):
    code = serializers.ChoiceField(
        choices=[one.value for one in Quota], help_text="The code of the 409 answer."
    )
    limit = serializers.IntegerField()
    live = serializers.IntegerField(help_text="Requests that are live and not ending.")
    ending = serializers.IntegerField(help_text="Requests that are still ending.")
    detail = serializers.CharField(help_text="For people: what to do.")


class QuotaBody(TypedDict):
    """A limit on live requests that is reached."""

    code: str
    limit: int
    live: int
    ending: int
    detail: str


def quota(
    organization: Organization, actor: Actor, replaced: Sequence[Replaced]
) -> QuotaBody | None:
    """`replaced`: what the previewed request would replace."""
    found = quota_excess(organization, actor, replaced=[one.id for one in replaced])
    if found is None:
        return None
    return QuotaBody(
        code=found.code.value,
        limit=found.limit,
        live=found.usage.live,
        ending=found.usage.ending,
        detail=quota_sentence(found, organization=organization.name, actor=actor),
    )

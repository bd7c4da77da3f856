"""`organizations/{slug}/single-sign-on`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.api.authentication import actor_of, membership_of
from portal.api.fields import ApiSerializer, Choice, Several, StrictSerializer, Text, YesNo
from portal.api.members import admin_of
from portal.core.errors import NotFound
from portal.core.targets import MAX_TARGET_LENGTH
from portal.organizations.models import Organization, Role
from portal.sso import queries, services
from portal.sso.models import (
    MAX_CLAIM_NAME_LENGTH,
    MAX_CLIENT_ID_LENGTH,
    MAX_GROUP_LENGTH,
    MAX_ISSUER_LENGTH,
    MAX_SECRET_LENGTH,
    EmailDomain,
    GroupRole,
)
from portal.sso.protocol import callback_url
from portal.sso.services.configure import MAX_ROLES
from portal.sso.services.domains import MAX_DOMAINS


class GroupRoleGiven(StrictSerializer):
    group = Text(max_length=MAX_GROUP_LENGTH)
    role = Choice(Role.values)


class SingleSignOnGiven(StrictSerializer):
    issuer = Text(max_length=MAX_ISSUER_LENGTH)
    client_id = Text(max_length=MAX_CLIENT_ID_LENGTH)
    client_secret = Text(max_length=MAX_SECRET_LENGTH, required=False, default="", allow_blank=True)
    """Empty: the saved one stays. It is never shown."""
    domains = Several(limit=MAX_DOMAINS, child=Text(max_length=MAX_TARGET_LENGTH))
    groups_claim = Text(
        max_length=MAX_CLAIM_NAME_LENGTH, required=False, default="", allow_blank=True
    )
    roles = Several(limit=MAX_ROLES, child=GroupRoleGiven(), required=False, default=list)
    adds_members = YesNo(required=False, default=False)
    """Adds unknown people of a proved domain, as viewers."""
    has_second_factor = YesNo(required=False, default=False)
    """You declare that the identity provider asks everyone for a second factor."""
    is_required = YesNo(required=False, default=False)
    """Only admins can still sign in with a password."""


class EmailDomainShown(ApiSerializer[EmailDomain]):
    name = serializers.CharField()
    place = serializers.CharField(help_text="The name of the TXT record.")
    record = serializers.CharField(help_text="The text of the TXT record.")
    proved_at = serializers.DateTimeField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    is_taken = serializers.BooleanField(
        help_text="The record is there, but another organization proved the domain first."
    )


class GroupRoleShown(ApiSerializer[GroupRole]):
    group = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)


class SingleSignOnShown(ApiSerializer[Any]):
    issuer = serializers.CharField()
    client_id = serializers.CharField()
    redirect_uri = serializers.CharField(help_text="Register this at the identity provider.")
    domains = EmailDomainShown(many=True)
    groups_claim = serializers.CharField()
    roles = GroupRoleShown(many=True)
    adds_members = serializers.BooleanField()
    has_second_factor = serializers.BooleanField()
    is_required = serializers.BooleanField()
    changed_at = serializers.DateTimeField()


class SingleSignOnView(APIView):
    @extend_schema(operation_id="show_single_sign_on", responses=SingleSignOnShown)
    def get(self, request: Request, slug: str) -> Response:
        """The settings, without the client secret. 404 if there are none."""
        membership = membership_of(request, slug, Role.ADMIN)
        return Response(_shown(request, membership.organization))

    @extend_schema(
        operation_id="set_single_sign_on", request=SingleSignOnGiven, responses=SingleSignOnShown
    )
    def put(self, request: Request, slug: str) -> Response:
        """Save all settings. New domains are checked soon. Everyone who came by single sign-on has
        to sign in again. Needs a fresh second factor.
        """
        membership = admin_of(request, slug)
        form = SingleSignOnGiven.of(request)
        given = {name: one for name, one in form.validated_data.items() if name != "roles"}
        services.configure(
            organization=membership.organization,
            setup=services.Setup(
                **given, roles=[GroupRole(**one) for one in form.validated_data["roles"]]
            ),
            actor=actor_of(request),
        )
        return Response(_shown(request, membership.organization))

    @extend_schema(operation_id="remove_single_sign_on", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Remove the settings and the proofs of domains, and sign everyone out who came by it. 409
        `last-admin` if no admin could sign in then. Needs a fresh second factor.
        """
        membership = admin_of(request, slug)
        services.remove(organization=membership.organization, actor=actor_of(request))
        return Response(status=204)


def _shown(request: Request, organization: Organization) -> dict[str, Any]:
    sso = queries.for_organization(organization.pk)
    if sso is None:
        raise NotFound("Single sign-on is not set up.")
    vars(sso)["redirect_uri"] = callback_url(request, organization.pk)
    vars(sso)["domains"] = queries.domains(organization)
    return SingleSignOnShown(sso).data

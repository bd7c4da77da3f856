"""`organizations/{slug}/invitations`, `invitations/accept` and `organizations`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts import services as accounts
from portal.accounts.scopes import Scope
from portal.api.authentication import (
    WithinScope,
    actor_of,
    caller,
    membership_of,
    require_fresh_factor,
)
from portal.api.fields import ApiSerializer, Choice, StrictSerializer, Text
from portal.api.members import admin_of
from portal.api.sign_in import MembershipShown
from portal.core.addresses import address_of
from portal.core.origins import origin_of
from portal.mail.addresses import MAX_EMAIL_LENGTH
from portal.organizations import founding, invitations
from portal.organizations.models import Role


class NewInvitation(StrictSerializer):
    email = Text(max_length=MAX_EMAIL_LENGTH)
    role = Choice(Role.values)


class InvitationShown(ApiSerializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class InvitationsShown(ApiSerializer[Any]):
    results = InvitationShown(many=True)


class Acceptance(StrictSerializer):
    token = Text(max_length=invitations.MAX_TOKEN_LENGTH)
    """The last part of the link."""
    username = Text(max_length=accounts.MAX_USERNAME_LENGTH, required=False, default="")
    """For a new person: leave it out if you call with your token."""
    password = Text(max_length=accounts.MAX_PASSWORD_LENGTH, required=False, default="")


class NewOrganization(StrictSerializer):
    name = Text(max_length=founding.MAX_NAME_LENGTH)
    admin_email = Text(max_length=MAX_EMAIL_LENGTH)
    preset = Choice(list(founding.PRESETS), required=False, default="standard")


class OrganizationAdded(ApiSerializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    invitation = InvitationShown()


class InvitationsView(APIView):
    @extend_schema(operation_id="list_invitations", responses=InvitationsShown)
    def get(self, request: Request, slug: str) -> Response:
        """Those that were neither accepted nor revoked, by address. Admins only."""
        membership = membership_of(request, slug, Role.ADMIN)
        rows = invitations.unanswered(membership.organization)
        return Response(InvitationsShown({"results": rows}).data)

    @extend_schema(operation_id="invite", request=NewInvitation, responses={201: InvitationShown})
    def post(self, request: Request, slug: str) -> Response:
        """Send a mail with a link that works once and for 7 days. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        form = NewInvitation.of(request)
        invitation = invitations.invite(
            organization=organization,
            actor=actor_of(request),
            email=form.validated_data["email"],
            role=Role(form.validated_data["role"]),
            origin=origin_of(request),
        )
        return Response(InvitationShown(invitation).data, status=201)


class InvitationView(APIView):
    @extend_schema(operation_id="revoke_invitation", responses={204: None})
    def delete(self, request: Request, slug: str, invitation_id: UUID) -> Response:
        """The link stops working at once. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        invitations.revoke(
            organization=organization, invitation_id=invitation_id, actor=actor_of(request)
        )
        return Response(status=204)


class SendAgainView(APIView):
    @extend_schema(operation_id="send_invitation_again", request=None, responses=InvitationShown)
    def post(self, request: Request, slug: str, invitation_id: UUID) -> Response:
        """A new mail with a new link; the earlier link ends. Needs a fresh second factor."""
        organization = admin_of(request, slug).organization
        invitation = invitations.send_again(
            organization=organization,
            invitation_id=invitation_id,
            actor=actor_of(request),
            origin=origin_of(request),
        )
        return Response(InvitationShown(invitation).data)


class AcceptView(APIView):
    permission_classes = [AllowAny, WithinScope]
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="accept_invitation",
        request=Acceptance,
        responses={201: MembershipShown},
    )
    def post(self, request: Request) -> Response:
        """Join an organization: as the caller, whose address must be the invited one, or without a
        token as a new person, with a name and a password. The new person sets up the second factor
        at the first sign-in on the pages. 410 `invitation-ended` for every link that does not work.
        """
        given, address = Acceptance.of(request).validated_data, address_of(request)
        if request.user.is_authenticated:
            membership = invitations.accept(
                token=given["token"], user=caller(request), address=address
            )
        else:
            membership = invitations.accept_as_new(**given, address=address)
        return Response(MembershipShown(membership).data, status=201)


class AddOrganizationView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="add_organization",
        request=NewOrganization,
        responses={201: OrganizationAdded},
    )
    def post(self, request: Request) -> Response:
        """Add an organization and mail its first admin a link. For portal staff. Needs a fresh
        second factor.
        """
        founding.MAY_ADD.require(caller(request))
        require_fresh_factor(request)
        form = NewOrganization.of(request)
        organization, invitation = founding.found(
            actor=actor_of(request), origin=origin_of(request), **form.validated_data
        )
        shown = {
            "slug": organization.slug,
            "name": organization.name,
            "invitation": invitation,
        }
        return Response(OrganizationAdded(shown).data, status=201)

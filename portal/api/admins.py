"""`organizations/{slug}/admins`, as the portal's staff see and replace them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.api.authentication import actor_of, caller, require_fresh_factor
from portal.api.fields import ApiSerializer, StrictSerializer, Text
from portal.api.invitations import InvitationShown
from portal.core.addresses import address_of
from portal.core.origins import origin_of
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.mail.addresses import MAX_EMAIL_LENGTH
from portal.organizations import admin_removal, founding, members, suspension
from portal.organizations.invitations import unanswered
from portal.organizations.queries import organization_for_staff


class AdminShown(ApiSerializer[Any]):
    id = serializers.UUIDField(source="user_id")
    username = serializers.CharField(source="user.username")
    last_login = serializers.DateTimeField(source="user.last_login", allow_null=True)


class AdminsShown(ApiSerializer[Any]):
    results = AdminShown(many=True)
    invitations = InvitationShown(many=True, help_text="Of staff, not accepted yet.")


class NewAdmin(StrictSerializer):
    email = Text(max_length=MAX_EMAIL_LENGTH)


class RemovalReason(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """For the person and the other admins; 10 characters at least."""


class AdminsView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="list_admins", responses=AdminsShown)
    def get(self, request: Request, slug: str) -> Response:
        """The admins by name, and the people invited by staff. For portal staff."""
        founding.MAY_ADD.require(caller(request))
        organization = organization_for_staff(slug)
        shown = {
            "results": members.admins(organization),
            "invitations": unanswered(organization).filter(is_by_staff=True),
        }
        return Response(AdminsShown(shown).data)

    @extend_schema(operation_id="invite_admin", request=NewAdmin, responses={201: InvitationShown})
    def post(self, request: Request, slug: str) -> Response:
        """Mail a link that makes its reader an admin; an open invitation to that address gets a new
        link. For portal staff, with a fresh second factor.
        """
        founding.MAY_ADD.require(caller(request))
        organization = organization_for_staff(slug)
        require_fresh_factor(request)
        form = NewAdmin.of(request)
        invitation = founding.invite_admin(
            organization=organization,
            actor=actor_of(request),
            email=form.validated_data["email"],
            origin=origin_of(request),
        )
        return Response(InvitationShown(invitation).data, status=201)


class AdminInvitationView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="revoke_admin_invitation", responses={204: None})
    def delete(self, request: Request, slug: str, invitation_id: UUID) -> Response:
        """Revoke an invitation that staff sent. For portal staff, with a fresh second factor."""
        founding.MAY_ADD.require(caller(request))
        organization = organization_for_staff(slug)
        require_fresh_factor(request)
        founding.revoke(
            organization=organization, invitation_id=invitation_id, actor=actor_of(request)
        )
        return Response(status=204)


class RemoveAdminView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="remove_admin", request=RemovalReason, responses={204: None})
    def post(self, request: Request, slug: str, member_id: UUID) -> Response:
        """End the membership of an admin; the person and the other admins get a mail. 409
        `no-successor` for the last admin who can sign in, if staff have invited no other one. For
        portal staff, with a fresh second factor.
        """
        suspension.MAY_CHANGE.require(caller(request))
        organization = organization_for_staff(slug)
        require_fresh_factor(request)
        form = RemovalReason.of(request)
        admin_removal.remove_admin(
            organization=organization,
            user_id=member_id,
            actor=actor_of(request),
            reason=form.validated_data["reason"],
            address=address_of(request),
        )
        return Response(status=204)

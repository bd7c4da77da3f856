"""`organizations/{slug}/members`: people, their roles and lost phones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.scopes import Scope
from portal.api.authentication import actor_of, membership_of, require_fresh_factor
from portal.api.fields import ApiSerializer, Choice, StrictSerializer, Text
from portal.core.addresses import address_of
from portal.core.origins import origin_of
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.organizations import lost_phones, members
from portal.organizations.models import Membership, Role
from portal.sso.queries import can_give_factor


class MemberShown(ApiSerializer[Any]):
    id = serializers.UUIDField(source="user_id")
    username = serializers.CharField(source="user.username")
    email = serializers.CharField(
        source="shown_email", help_text="Empty for callers who are not admins."
    )
    role = serializers.ChoiceField(choices=Role.choices)
    is_active = serializers.BooleanField(source="user.is_active")
    has_second_factor = serializers.BooleanField()
    last_login = serializers.DateTimeField(source="user.last_login", allow_null=True)


class MembersShown(ApiSerializer[Any]):
    results = MemberShown(many=True)


class NewRole(StrictSerializer):
    role = Choice(Role.values)


class NewFactorReset(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """How you checked who asked; 10 characters at least."""


class FactorResetShown(ApiSerializer[Any]):
    member = serializers.UUIDField(source="user_id")
    started_by = serializers.CharField(source="started_by.username")
    reason = serializers.CharField()
    started_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


def admin_of(request: Request, slug: str) -> Membership:
    """The caller's membership. NotAllowed for other roles, FreshFactorRequired without one."""
    membership = membership_of(request, slug, Role.ADMIN)
    require_fresh_factor(request)
    return membership


class MembersView(APIView):
    @extend_schema(operation_id="list_members", responses=MembersShown)
    def get(self, request: Request, slug: str) -> Response:
        """The members, by name."""
        membership = membership_of(request, slug)
        own = (
            Membership.objects.filter(organization=membership.organization)
            .select_related("user")
            .order_by("user__username")
        )
        return Response(MembersShown({"results": _shown(list(own), membership)}).data)


class MemberView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="change_member", request=NewRole, responses=MemberShown)
    def patch(self, request: Request, slug: str, member_id: UUID) -> Response:
        """Give a member another role. 409 `last-admin` if no other admin could sign in
        without single sign-on. Needs a
        fresh second factor.
        """
        membership = admin_of(request, slug)
        form = NewRole.of(request)
        changed = members.change_role(
            organization=membership.organization,
            user_id=member_id,
            role=Role(form.validated_data["role"]),
            actor=actor_of(request),
        )
        return Response(MemberShown(_shown([changed], membership)[0]).data)

    @extend_schema(operation_id="remove_member", responses={204: None})
    def delete(self, request: Request, slug: str, member_id: UUID) -> Response:
        """Remove a member, or leave. 409 `last-admin` if no other admin could sign in. Access ends
        at once; live requests continue. Needs a fresh second factor.
        """
        membership = membership_of(request, slug)
        if membership.user_id != member_id:
            membership = membership_of(request, slug, Role.ADMIN)
        require_fresh_factor(request)
        members.remove(
            organization=membership.organization, user_id=member_id, actor=actor_of(request)
        )
        return Response(status=204)


class LostPhoneView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="start_factor_reset", request=NewFactorReset, responses={201: FactorResetShown}
    )
    def post(self, request: Request, slug: str, member_id: UUID) -> Response:
        """Ask to reset the second factor of a member who lost the phone. A second admin has to
        confirm it within 24 hours. Needs a fresh second factor.
        """
        membership = admin_of(request, slug)
        form = NewFactorReset.of(request)
        reset = lost_phones.start(
            organization=membership.organization,
            user_id=member_id,
            actor=actor_of(request),
            reason=form.validated_data["reason"],
            origin=origin_of(request),
        )
        return Response(FactorResetShown(reset).data, status=201)

    @extend_schema(operation_id="cancel_factor_reset", responses={204: None})
    def delete(self, request: Request, slug: str, member_id: UUID) -> Response:
        """End it without a reset. Admins may, and the member."""
        membership = membership_of(request, slug)
        if membership.user_id != member_id:
            membership = membership_of(request, slug, Role.ADMIN)
        lost_phones.cancel(
            organization=membership.organization, user_id=member_id, actor=actor_of(request)
        )
        return Response(status=204)


class ConfirmLostPhoneView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="confirm_factor_reset", request=None, responses={204: None})
    def post(self, request: Request, slug: str, member_id: UUID) -> Response:
        """The second admin's consent: the factors, sessions and tokens of the member end at once.
        409 `second-admin-needed` for the admin who asked. Needs a fresh second factor.
        """
        membership = admin_of(request, slug)
        lost_phones.confirm(
            organization=membership.organization,
            user_id=member_id,
            actor=actor_of(request),
            address=address_of(request),
        )
        return Response(status=204)


def _shown(rows: list[Membership], viewer: Membership) -> list[Membership]:
    """With what only this answer needs."""
    able = Membership.objects.filter(can_give_factor(), pk__in=[row.pk for row in rows])
    enrolled = set(able.values_list("user_id", flat=True))
    for row in rows:
        sees = viewer.allows(Role.ADMIN) or row.user_id == viewer.user_id
        vars(row)["shown_email"] = row.user.email if sees else ""
        vars(row)["has_second_factor"] = row.user_id in enrolled
    return rows

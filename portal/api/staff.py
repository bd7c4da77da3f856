"""`staff`: the people of the portal's staff, their roles and lost phones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.accounts.enrolled import has_factor
from portal.accounts.managers import is_manager
from portal.accounts.models import User
from portal.accounts.scopes import Scope
from portal.api.authentication import WithinScope, actor_of, caller, require_fresh_factor
from portal.api.fields import ApiSerializer, Choice, StrictSerializer, Text
from portal.api.invitations import Acceptance, InvitationShown
from portal.core.addresses import address_of
from portal.core.origins import origin_of
from portal.core.typed_lines import MAX_REASON_LENGTH
from portal.mail.addresses import MAX_EMAIL_LENGTH
from portal.organizations import founding
from portal.staff import invitations, lost_phones, people
from portal.staff.models import StaffRole
from portal.staff.roles import role_of


class ColleagueShown(ApiSerializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty for callers who are not managers.")
    role = serializers.ChoiceField(
        choices=StaffRole.choices,
        allow_null=True,
        help_text="Null: single permissions, given in `/admin/`.",
    )
    is_active = serializers.BooleanField()
    has_second_factor = serializers.BooleanField()
    last_login = serializers.DateTimeField(allow_null=True)


class StaffShown(ApiSerializer[Any]):
    results = ColleagueShown(many=True)


class NewStaffRole(StrictSerializer):
    role = Choice(StaffRole.values)


class NewStaffInvitation(NewStaffRole):
    email = Text(max_length=MAX_EMAIL_LENGTH)


class StaffInvitationShown(InvitationShown):
    role = serializers.ChoiceField(choices=StaffRole.choices)


class StaffInvitationsShown(ApiSerializer[Any]):
    results = StaffInvitationShown(many=True)


class StaffAcceptance(Acceptance):
    pass


class NewStaffFactorReset(StrictSerializer):
    reason = Text(max_length=MAX_REASON_LENGTH)
    """How you checked who asked; 10 characters at least."""


class StaffFactorResetShown(ApiSerializer[Any]):
    colleague = serializers.UUIDField(source="user_id")
    started_by = serializers.CharField(source="started_by.username")
    reason = serializers.CharField()
    started_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


def manager_of(request: Request) -> User:
    """The caller. NotAllowed for others than managers, FreshFactorRequired without one."""
    person = caller(request)
    people.require_manager(person)
    require_fresh_factor(request)
    return person


class StaffView(APIView):
    @extend_schema(operation_id="list_staff", responses=StaffShown)
    def get(self, request: Request) -> Response:
        """The portal's staff, by name. For portal staff."""
        viewer = caller(request)
        founding.MAY_ADD.require(viewer)
        return Response(
            StaffShown({"results": [_shown(one, viewer) for one in people.staff()]}).data
        )


class ColleagueView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="change_colleague", request=NewStaffRole, responses=ColleagueShown)
    def patch(self, request: Request, staff_id: UUID) -> Response:
        """Give a colleague another role, in place of all permissions. 409 `last-manager` if no
        other manager could sign in. For managers, with a fresh second factor.
        """
        viewer = manager_of(request)
        form = NewStaffRole.of(request)
        changed = people.change_role(
            user_id=staff_id,
            role=StaffRole(form.validated_data["role"]),
            actor=actor_of(request),
            address=address_of(request),
        )
        return Response(ColleagueShown(_shown(changed, viewer)).data)

    @extend_schema(operation_id="end_colleague", responses={204: None})
    def delete(self, request: Request, staff_id: UUID) -> Response:
        """End a colleague's access at once: rights, sessions, tokens, sockets. 409 `last-manager`
        if no other manager could sign in. For managers, with a fresh second factor.
        """
        manager_of(request)
        people.end(user_id=staff_id, actor=actor_of(request), address=address_of(request))
        return Response(status=204)


class StaffLostPhoneView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="start_staff_factor_reset",
        request=NewStaffFactorReset,
        responses={201: StaffFactorResetShown},
    )
    def post(self, request: Request, staff_id: UUID) -> Response:
        """Ask to reset the second factor of a colleague who lost the phone. A second manager has to
        confirm it within 24 hours. For managers, with a fresh second factor.
        """
        manager_of(request)
        form = NewStaffFactorReset.of(request)
        reset = lost_phones.start(
            user_id=staff_id,
            actor=actor_of(request),
            reason=form.validated_data["reason"],
            origin=origin_of(request),
        )
        return Response(StaffFactorResetShown(reset).data, status=201)

    @extend_schema(operation_id="cancel_staff_factor_reset", responses={204: None})
    def delete(self, request: Request, staff_id: UUID) -> Response:
        """End it without a reset. Managers may, and the person."""
        person = caller(request)
        if person.pk != staff_id:
            people.require_manager(person)
        lost_phones.cancel(user_id=staff_id, actor=actor_of(request))
        return Response(status=204)


class ConfirmStaffLostPhoneView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="confirm_staff_factor_reset", request=None, responses={204: None})
    def post(self, request: Request, staff_id: UUID) -> Response:
        """The second manager's consent: the factors, sessions and tokens of the colleague end at
        once. 409 `second-manager-needed` for the one who asked. With a fresh second factor.
        """
        manager_of(request)
        lost_phones.confirm(user_id=staff_id, actor=actor_of(request), address=address_of(request))
        return Response(status=204)


class StaffInvitationsView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="list_staff_invitations", responses=StaffInvitationsShown)
    def get(self, request: Request) -> Response:
        """Those that were neither accepted nor revoked, by address. For managers."""
        people.require_manager(caller(request))
        return Response(StaffInvitationsShown({"results": invitations.unanswered()}).data)

    @extend_schema(
        operation_id="invite_colleague",
        request=NewStaffInvitation,
        responses={201: StaffInvitationShown},
    )
    def post(self, request: Request) -> Response:
        """Mail a link to the staff that works once and for 7 days. For managers, with a fresh
        second factor.
        """
        manager_of(request)
        form = NewStaffInvitation.of(request)
        invitation = invitations.invite(
            actor=actor_of(request),
            email=form.validated_data["email"],
            role=StaffRole(form.validated_data["role"]),
            origin=origin_of(request),
        )
        return Response(StaffInvitationShown(invitation).data, status=201)


class StaffInvitationView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(operation_id="revoke_staff_invitation", responses={204: None})
    def delete(self, request: Request, staff_invitation_id: UUID) -> Response:
        """The link stops working at once. For managers, with a fresh second factor."""
        manager_of(request)
        invitations.revoke(invitation_id=staff_invitation_id, actor=actor_of(request))
        return Response(status=204)


class SendStaffInvitationView(APIView):
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="send_staff_invitation_again", request=None, responses=StaffInvitationShown
    )
    def post(self, request: Request, staff_invitation_id: UUID) -> Response:
        """A new mail with a new link; the earlier link ends. For managers, with a fresh second
        factor.
        """
        manager_of(request)
        invitation = invitations.send_again(
            invitation_id=staff_invitation_id, actor=actor_of(request), origin=origin_of(request)
        )
        return Response(StaffInvitationShown(invitation).data)


class AcceptStaffInvitationView(APIView):
    permission_classes = [AllowAny, WithinScope]
    changing_scope = Scope.ADMIN

    @extend_schema(
        operation_id="accept_staff_invitation",
        request=StaffAcceptance,
        responses={201: ColleagueShown},
    )
    def post(self, request: Request) -> Response:
        """Join the staff: as the caller, whose address must be the invited one, or without a token
        as a new person, with a name and a password, who sets up the second factor at the first
        sign-in on the pages. 410 `invitation-ended` for every link that does not work.
        """
        given, address = StaffAcceptance.of(request).validated_data, address_of(request)
        if request.user.is_authenticated:
            joined = invitations.accept(token=given["token"], user=caller(request), address=address)
        else:
            joined = invitations.accept_as_new(**given, address=address)
        return Response(ColleagueShown(_shown(joined, joined)).data, status=201)


def _shown(user: User, viewer: User) -> dict[str, Any]:
    sees = is_manager(viewer) or user.pk == viewer.pk
    return {
        "id": user.pk,
        "username": user.username,
        "email": user.email if sees else "",
        "role": role_of(user),
        "is_active": user.is_active,
        "has_second_factor": has_factor(user),
        "last_login": user.last_login,
    }

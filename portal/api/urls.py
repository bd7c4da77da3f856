from __future__ import annotations

from django.urls import path, re_path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api import (
    eligibility,
    invitations,
    members,
    mitigations,
    requests,
    standby,
    unknown,
)
from portal.api.audit import AuditExportView, AuditView
from portal.api.events import EventsView
from portal.api.extension_preview import ExtensionPreviewView
from portal.api.preview import PreviewView
from portal.api.readiness import ReadinessView
from portal.api.resources import ProofsView, ResourcesView, ResourceView
from portal.api.schema import DocsView, SchemaView
from portal.api.sign_in import MeView, StepUpView, TokenView
from portal.api.subscriptions import SubscriptionsView
from portal.api.wire import WireView
from portal.core.errors import NotFound

app_name = "api"


class NoSuchCall(APIView):
    """Any other path under /api/v1/, for every caller."""

    authentication_classes = []
    permission_classes = [AllowAny]
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("The API has no such call. See /api/v1/schema/.")


ORGANIZATION = "organizations/<slug:slug>"
MEMBER = f"{ORGANIZATION}/members/<uuid:member_id>"
INVITATION = f"{ORGANIZATION}/invitations/<uuid:invitation_id>"
REQUESTS = f"{ORGANIZATION}/mitigation-requests"
REQUEST = f"{REQUESTS}/<uuid:request_id>"
UNKNOWN = f"{ORGANIZATION}/unknown-mitigations"
ONE_UNKNOWN = f"{UNKNOWN}/<uuid:unknown_id>"
RESOURCE = f"{ORGANIZATION}/resources/<uuid:resource_id>"
PLANS = f"{ORGANIZATION}/standby-plans"
PLAN = f"{PLANS}/<uuid:plan_id>"

urlpatterns = [
    path("auth/token", TokenView.as_view(), name="token"),
    path("auth/step-up", StepUpView.as_view(), name="step-up"),
    path("me", MeView.as_view(), name="me"),
    path("organizations", invitations.OrganizationsView.as_view(), name="organizations"),
    path("invitations/accept", invitations.AcceptView.as_view(), name="accept-invitation"),
    path(f"{ORGANIZATION}/members", members.MembersView.as_view(), name="members"),
    path(MEMBER, members.MemberView.as_view(), name="member"),
    path(f"{MEMBER}/lost-phone", members.LostPhoneView.as_view(), name="lost-phone"),
    path(
        f"{MEMBER}/lost-phone/confirm",
        members.ConfirmLostPhoneView.as_view(),
        name="confirm-lost-phone",
    ),
    path(f"{ORGANIZATION}/invitations", invitations.InvitationsView.as_view(), name="invitations"),
    path(INVITATION, invitations.InvitationView.as_view(), name="invitation"),
    path(f"{INVITATION}/send-again", invitations.SendAgainView.as_view(), name="send-again"),
    path(f"{ORGANIZATION}/resources", ResourcesView.as_view(), name="resources"),
    path(RESOURCE, ResourceView.as_view(), name="resource"),
    path(f"{RESOURCE}/proofs", ProofsView.as_view(), name="proofs"),
    path(f"{ORGANIZATION}/subscriptions", SubscriptionsView.as_view(), name="subscriptions"),
    path(f"{ORGANIZATION}/readiness", ReadinessView.as_view(), name="readiness"),
    path(f"{ORGANIZATION}/events", EventsView.as_view(), name="events"),
    path(f"{ORGANIZATION}/audit", AuditView.as_view(), name="audit"),
    path(f"{ORGANIZATION}/audit/export", AuditExportView.as_view(), name="audit-export"),
    path(REQUESTS, requests.RequestsView.as_view(), name="requests"),
    path(f"{REQUESTS}/acknowledge", requests.AcknowledgeAllView.as_view(), name="acknowledge-all"),
    path(f"{REQUESTS}/preview", PreviewView.as_view(), name="preview"),
    path(REQUEST, requests.RequestView.as_view(), name="request"),
    path(f"{REQUEST}/terminate", requests.TerminateView.as_view(), name="terminate"),
    path(f"{REQUEST}/extend", requests.ExtendView.as_view(), name="extend"),
    path(f"{REQUEST}/extend/preview", ExtensionPreviewView.as_view(), name="extend-preview"),
    path(f"{REQUEST}/efficacy", requests.EfficacyView.as_view(), name="efficacy"),
    path(f"{REQUEST}/acknowledge", requests.AcknowledgeView.as_view(), name="acknowledge"),
    path(f"{REQUEST}/wire", WireView.as_view(), name="wire"),
    path(f"{REQUEST}/mitigations/ask", mitigations.AskView.as_view(), name="ask"),
    path(
        f"{REQUEST}/mitigations/<uuid:mitigation_id>/withdraw",
        mitigations.WithdrawView.as_view(),
        name="withdraw",
    ),
    path(f"{REQUESTS}/eligibility", eligibility.EligibilityView.as_view(), name="eligibility"),
    path(UNKNOWN, unknown.UnknownMitigationsView.as_view(), name="unknown-mitigations"),
    path(ONE_UNKNOWN, unknown.UnknownMitigationView.as_view(), name="unknown-mitigation"),
    path(f"{ONE_UNKNOWN}/adopt", unknown.AdoptView.as_view(), name="adopt-unknown"),
    path(f"{ONE_UNKNOWN}/withdraw", unknown.WithdrawUnknownView.as_view(), name="withdraw-unknown"),
    path(PLANS, standby.PlansView.as_view(), name="standby-plans"),
    path(PLAN, standby.PlanView.as_view(), name="standby-plan"),
    path(f"{PLAN}/activate", standby.ActivateView.as_view(), name="activate-plan"),
    path(f"{PLAN}/stop", standby.StopView.as_view(), name="stop-plan"),
    path(f"{ORGANIZATION}/drills", standby.DrillsView.as_view(), name="drills"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    re_path("", NoSuchCall.as_view(), name="no-such-call"),
]

from __future__ import annotations

from django.urls import path, re_path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from portal.api import (
    alert_endpoints,
    alerts,
    approvals,
    channels,
    claims,
    connections,
    eligibility,
    factors,
    invitations,
    me,
    members,
    mitigations,
    notes,
    proposals,
    requests,
    staff,
    standby,
    tokens,
    unknown,
)
from portal.api.acting import ActingView
from portal.api.admins import AdminInvitationView, AdminsView, RemoveAdminView
from portal.api.alert_receipt import ReceiveAlertsView
from portal.api.audit import AuditExportView, AuditView
from portal.api.closing import ClosingView, NameView
from portal.api.customers import OrganizationsView
from portal.api.events import EventsView
from portal.api.extension_preview import ExtensionPreviewView
from portal.api.live_limit import LiveLimitView
from portal.api.notices import OwnNoticesView
from portal.api.own_sessions import OwnSessionsView, OwnSessionView
from portal.api.policy import PolicyView
from portal.api.preview import PreviewView
from portal.api.push_devices import PushDevicesView, PushDeviceView
from portal.api.readiness import ReadinessView
from portal.api.resources import ProofsView, ResourcesView, ResourceView
from portal.api.schema import DocsView, SchemaView
from portal.api.scorecard import ScorecardView, ServiceLevelsView, StaffScorecardView
from portal.api.sign_in import StepUpView, TokenView
from portal.api.single_sign_on import SingleSignOnView
from portal.api.suspension import SuspensionView
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
SERVICE_TOKEN = f"{ORGANIZATION}/service-tokens/<uuid:token_id>"
REQUESTS = f"{ORGANIZATION}/mitigation-requests"
REQUEST = f"{REQUESTS}/<uuid:request_id>"
UNKNOWN = f"{ORGANIZATION}/unknown-mitigations"
ONE_UNKNOWN = f"{UNKNOWN}/<uuid:unknown_id>"
RESOURCE = f"{ORGANIZATION}/resources/<uuid:resource_id>"
SUBSCRIPTIONS = f"{ORGANIZATION}/subscriptions"
SUBSCRIPTION = f"{SUBSCRIPTIONS}/<uuid:subscription_id>"
COLLEAGUE = "staff/<uuid:staff_id>"
STAFF_INVITATION = "staff/invitations/<uuid:staff_invitation_id>"
PLANS = f"{ORGANIZATION}/standby-plans"
PLAN = f"{PLANS}/<uuid:plan_id>"
ALERT_ENDPOINTS = f"{ORGANIZATION}/alert-endpoints"
ALERT_ENDPOINT = f"{ALERT_ENDPOINTS}/<uuid:endpoint_id>"
CHANNELS = f"{ORGANIZATION}/channels"
CHANNEL = f"{CHANNELS}/<uuid:channel_id>"
PROPOSAL = f"{ORGANIZATION}/proposals/<uuid:proposal_id>"
REJECTED_ALERTS = f"{ORGANIZATION}/rejected-alerts"

urlpatterns = [
    path("auth/token", TokenView.as_view(), name="token"),
    path("auth/step-up", StepUpView.as_view(), name="step-up"),
    path("me", me.MeView.as_view(), name="me"),
    path("me/password", me.PasswordView.as_view(), name="my-password"),
    path("me/email", me.EmailView.as_view(), name="my-email"),
    path("me/email/confirm", me.ConfirmEmailView.as_view(), name="confirm-my-email"),
    path("me/factors/app-key", factors.AppKeyView.as_view(), name="my-app-key"),
    path("me/factors", factors.FactorsView.as_view(), name="my-factors"),
    path("me/factors/<slug:kind>/<int:factor_id>", factors.FactorView.as_view(), name="my-factor"),
    path("me/recovery-codes", factors.RecoveryCodesView.as_view(), name="my-recovery-codes"),
    path("organizations", OrganizationsView.as_view(), name="organizations"),
    path("staff", staff.StaffView.as_view(), name="staff"),
    path(COLLEAGUE, staff.ColleagueView.as_view(), name="colleague"),
    path(f"{COLLEAGUE}/lost-phone", staff.StaffLostPhoneView.as_view(), name="staff-lost-phone"),
    path(
        f"{COLLEAGUE}/lost-phone/confirm",
        staff.ConfirmStaffLostPhoneView.as_view(),
        name="confirm-staff-lost-phone",
    ),
    path("staff/invitations", staff.StaffInvitationsView.as_view(), name="staff-invitations"),
    path(
        "staff/invitations/accept",
        staff.AcceptStaffInvitationView.as_view(),
        name="accept-staff-invitation",
    ),
    path(STAFF_INVITATION, staff.StaffInvitationView.as_view(), name="staff-invitation"),
    path(
        f"{STAFF_INVITATION}/send-again",
        staff.SendStaffInvitationView.as_view(),
        name="send-staff-invitation",
    ),
    path("claims", claims.ClaimsView.as_view(), name="claims"),
    path("claims/<uuid:resource_id>", claims.ClaimView.as_view(), name="claim"),
    path("claims/<uuid:resource_id>/verify", claims.VerifyView.as_view(), name="verify-claim"),
    path("claims/<uuid:resource_id>/refuse", claims.RefuseView.as_view(), name="refuse-claim"),
    path("me/notices/<slug:slug>", OwnNoticesView.as_view(), name="my-notices"),
    path("me/sessions", OwnSessionsView.as_view(), name="my-sessions"),
    path("me/sessions/<uuid:session_id>", OwnSessionView.as_view(), name="my-session"),
    path("me/push-devices", PushDevicesView.as_view(), name="my-push-devices"),
    path("me/push-devices/<uuid:device_id>", PushDeviceView.as_view(), name="my-push-device"),
    path("me/tokens", tokens.TokensView.as_view(), name="my-tokens"),
    path("me/tokens/<uuid:token_id>", tokens.MyTokenView.as_view(), name="my-token"),
    path("invitations/accept", invitations.AcceptView.as_view(), name="accept-invitation"),
    path(f"{ORGANIZATION}/members", members.MembersView.as_view(), name="members"),
    path(f"{ORGANIZATION}/single-sign-on", SingleSignOnView.as_view(), name="single-sign-on"),
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
    path(f"{ORGANIZATION}/policy", PolicyView.as_view(), name="policy"),
    path(
        f"{ORGANIZATION}/service-tokens",
        tokens.ServiceTokensView.as_view(),
        name="service-tokens",
    ),
    path(SERVICE_TOKEN, tokens.ServiceTokenView.as_view(), name="service-token"),
    path(f"{ORGANIZATION}/resources", ResourcesView.as_view(), name="resources"),
    path(RESOURCE, ResourceView.as_view(), name="resource"),
    path(f"{RESOURCE}/proofs", ProofsView.as_view(), name="proofs"),
    path(f"{ORGANIZATION}/providers", connections.ProvidersView.as_view(), name="providers"),
    path(
        f"{ORGANIZATION}/providers/<uuid:provider_id>/key",
        connections.KeyView.as_view(),
        name="client-key",
    ),
    path(SUBSCRIPTIONS, connections.SubscriptionsView.as_view(), name="subscriptions"),
    path(SUBSCRIPTION, connections.SubscriptionView.as_view(), name="subscription"),
    path(f"{SUBSCRIPTION}/certificate", connections.CertificateView.as_view(), name="certificate"),
    path(f"{SUBSCRIPTION}/certificate/use", connections.UseView.as_view(), name="use-certificate"),
    path(f"{SUBSCRIPTION}/test", connections.ConnectionTestView.as_view(), name="connection-test"),
    path(f"{ORGANIZATION}/acting", ActingView.as_view(), name="acting"),
    path(f"{ORGANIZATION}/name", NameView.as_view(), name="organization-name"),
    path(f"{ORGANIZATION}/admins", AdminsView.as_view(), name="admins"),
    path(
        f"{ORGANIZATION}/admins/invitations/<uuid:invitation_id>",
        AdminInvitationView.as_view(),
        name="admin-invitation",
    ),
    path(
        f"{ORGANIZATION}/admins/<uuid:member_id>/remove",
        RemoveAdminView.as_view(),
        name="remove-admin",
    ),
    path(f"{ORGANIZATION}/live-limit", LiveLimitView.as_view(), name="live-limit"),
    path(f"{ORGANIZATION}/closing", ClosingView.as_view(), name="closing"),
    path(f"{ORGANIZATION}/suspension", SuspensionView.as_view(), name="suspension"),
    path(f"{ORGANIZATION}/readiness", ReadinessView.as_view(), name="readiness"),
    path(f"{ORGANIZATION}/events", EventsView.as_view(), name="events"),
    path(f"{ORGANIZATION}/scorecard", ScorecardView.as_view(), name="scorecard"),
    path("scorecard", StaffScorecardView.as_view(), name="staff-scorecard"),
    path(f"{SUBSCRIPTION}/service-levels", ServiceLevelsView.as_view(), name="service-levels"),
    path(f"{ORGANIZATION}/audit", AuditView.as_view(), name="audit"),
    path(f"{ORGANIZATION}/audit/export", AuditExportView.as_view(), name="audit-export"),
    path(REQUESTS, requests.RequestsView.as_view(), name="requests"),
    path(f"{REQUESTS}.csv", requests.RequestsCsvView.as_view(), name="requests-csv"),
    path(f"{REQUESTS}.jsonl", requests.RequestsJsonView.as_view(), name="requests-jsonl"),
    path(f"{REQUESTS}/acknowledge", requests.AcknowledgeAllView.as_view(), name="acknowledge-all"),
    path(f"{REQUESTS}/preview", PreviewView.as_view(), name="preview"),
    path(REQUEST, requests.RequestView.as_view(), name="request"),
    path(f"{REQUEST}/terminate", requests.TerminateView.as_view(), name="terminate"),
    path(f"{ORGANIZATION}/approvals", approvals.ApprovalsView.as_view(), name="approvals"),
    path(f"{REQUEST}/approve", approvals.ApproveView.as_view(), name="approve"),
    path(f"{REQUEST}/decline", approvals.DeclineView.as_view(), name="decline"),
    path(f"{REQUEST}/break-glass", approvals.BreakGlassView.as_view(), name="break-glass"),
    path(f"{REQUEST}/extend", requests.ExtendView.as_view(), name="extend"),
    path(f"{REQUEST}/extend/preview", ExtensionPreviewView.as_view(), name="extend-preview"),
    path(f"{REQUEST}/efficacy", requests.EfficacyView.as_view(), name="efficacy"),
    path(f"{REQUEST}/acknowledge", requests.AcknowledgeView.as_view(), name="acknowledge"),
    path(f"{REQUEST}/notes", notes.NotesView.as_view(), name="notes"),
    path(f"{REQUEST}/alerts", alerts.RequestAlertsView.as_view(), name="alerts-of-request"),
    path(f"{REQUEST}/take-over", notes.TakeOverView.as_view(), name="take-over"),
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
    path("alerts/<uuid:endpoint_id>", ReceiveAlertsView.as_view(), name="receive-alerts"),
    path(ALERT_ENDPOINTS, alert_endpoints.AlertEndpointsView.as_view(), name="alert-endpoints"),
    path(ALERT_ENDPOINT, alert_endpoints.AlertEndpointView.as_view(), name="alert-endpoint"),
    path(
        f"{ALERT_ENDPOINT}/policy",
        alert_endpoints.PolicyOfEndpointView.as_view(),
        name="alert-endpoint-policy",
    ),
    path(
        f"{ALERT_ENDPOINT}/rotate",
        alert_endpoints.RotateEndpointView.as_view(),
        name="rotate-alert-endpoint",
    ),
    path(
        f"{ALERT_ENDPOINT}/end-previous-secret",
        alert_endpoints.EndPreviousSecretView.as_view(),
        name="end-previous-secret",
    ),
    path(
        f"{ALERT_ENDPOINT}/test",
        alert_endpoints.TestEndpointView.as_view(),
        name="test-alert-endpoint",
    ),
    path(CHANNELS, channels.ChannelsView.as_view(), name="channels"),
    path(CHANNEL, channels.ChannelView.as_view(), name="channel"),
    path(f"{CHANNEL}/rotate", channels.RotateChannelView.as_view(), name="rotate-channel"),
    path(
        f"{CHANNEL}/end-previous-secret",
        channels.EndChannelSecretView.as_view(),
        name="end-channel-secret",
    ),
    path(f"{CHANNEL}/test", channels.TestChannelView.as_view(), name="test-channel"),
    path(f"{CHANNEL}/deliveries", channels.DeliveriesView.as_view(), name="deliveries"),
    path(
        f"{ALERT_ENDPOINT}/test-poll",
        alert_endpoints.TestPollView.as_view(),
        name="test-alert-endpoint-poll",
    ),
    path(f"{ORGANIZATION}/incidents", proposals.IncidentsView.as_view(), name="incidents"),
    path(f"{ORGANIZATION}/proposals", proposals.ProposalsView.as_view(), name="proposals"),
    path(PROPOSAL, proposals.ProposalView.as_view(), name="proposal"),
    path(f"{PROPOSAL}/confirm", proposals.ConfirmProposalView.as_view(), name="confirm-proposal"),
    path(f"{PROPOSAL}/dismiss", proposals.DismissProposalView.as_view(), name="dismiss-proposal"),
    path(f"{ORGANIZATION}/alerts", alerts.AlertsView.as_view(), name="alerts"),
    path(REJECTED_ALERTS, alerts.RejectedAlertsView.as_view(), name="rejected-alerts"),
    path(
        f"{REJECTED_ALERTS}/<uuid:payload_id>/replay",
        alerts.ReplayView.as_view(),
        name="replay-rejected-alerts",
    ),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    re_path("", NoSuchCall.as_view(), name="no-such-call"),
]

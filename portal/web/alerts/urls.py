"""Detectors: what they report, and their endpoints in the settings."""

from __future__ import annotations

from django.urls import path

from portal.web.alerts import endpoint_views, views

app_name = "alerts"

_organization = "organizations/<slug:slug>"
_proposal = f"{_organization}/proposals/<uuid:proposal_id>"
_settings = f"{_organization}/settings/alerts"
_endpoint = f"{_settings}/<uuid:endpoint_id>"

urlpatterns = [
    path(f"{_organization}/alerts", views.alerts, name="alerts"),
    path(f"{_organization}/alerts/rejected", views.rejected, name="rejected"),
    path(f"{_proposal}/confirm", views.confirm, name="confirm"),
    path(f"{_proposal}/dismiss", views.dismiss, name="dismiss"),
    path(_settings, endpoint_views.endpoints, name="endpoints"),
    path(f"{_settings}/new", endpoint_views.new_endpoint, name="new-endpoint"),
    path(_endpoint, endpoint_views.endpoint, name="endpoint"),
    path(f"{_endpoint}/policy", endpoint_views.policy, name="policy"),
    path(f"{_endpoint}/rotate", endpoint_views.rotate, name="rotate"),
    path(
        f"{_endpoint}/end-previous-secret",
        endpoint_views.end_previous_secret,
        name="end-previous-secret",
    ),
    path(f"{_endpoint}/switch", endpoint_views.switch, name="switch"),
    path(f"{_endpoint}/remove", endpoint_views.remove, name="remove-endpoint"),
    path(f"{_endpoint}/test", endpoint_views.test, name="test-endpoint"),
    path(f"{_endpoint}/test-poll", endpoint_views.test_poll, name="test-poll"),
    path(
        f"{_settings}/rejected/<uuid:payload_id>/replay",
        endpoint_views.replay_rejected,
        name="replay",
    ),
]

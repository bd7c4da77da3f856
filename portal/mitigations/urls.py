"""The pages of an organization."""

from __future__ import annotations

from django.urls import path

from portal.mitigations import views

app_name = "mitigations"

_organization = "organizations/<slug:slug>/"
_request = f"{_organization}requests/<uuid:request_id>"

urlpatterns = [
    path("", views.home, name="home"),
    path(_organization, views.now, name="now"),
    path(f"{_organization}requests", views.requests, name="requests"),
    path(f"{_organization}requests/acknowledge", views.acknowledge_all, name="acknowledge-all"),
    path(f"{_organization}requests/new", views.new, name="new"),
    path(_request, views.request_page, name="request"),
    path(f"{_request}/report", views.report, name="report"),
    path(f"{_request}/report.txt", views.report_text, name="report-text"),
    path(f"{_request}/terminate", views.terminate, name="terminate"),
    path(f"{_request}/mitigations/ask", views.ask, name="ask"),
    path(f"{_request}/mitigations/<uuid:mitigation_id>/withdraw", views.withdraw, name="withdraw"),
    path(f"{_request}/extend", views.extend, name="extend"),
    path(f"{_request}/efficacy", views.efficacy, name="efficacy"),
    path(f"{_request}/acknowledge", views.acknowledge, name="acknowledge"),
]

"""The pages of requests."""

from __future__ import annotations

from django.urls import path

from portal.web.requests import note_views, preview_views, views

app_name = "requests"

_organization = "organizations/<slug:slug>/"
_request = f"{_organization}requests/<uuid:request_id>"

urlpatterns = [
    path(f"{_organization}requests", views.requests, name="requests"),
    path(f"{_organization}requests/acknowledge", views.acknowledge_all, name="acknowledge-all"),
    path(f"{_organization}requests.csv", views.requests_csv, name="csv"),
    path(f"{_organization}requests.jsonl", views.requests_json, name="json-lines"),
    path(f"{_organization}requests/new", views.new, name="new"),
    path(f"{_organization}requests/preview", preview_views.preview, name="preview"),
    path(_request, views.show, name="request"),
    path(f"{_request}/report", views.report, name="report"),
    path(f"{_request}/report.txt", views.report_text, name="report-text"),
    path(f"{_request}/terminate", views.terminate, name="terminate"),
    path(f"{_request}/mitigations/ask", views.ask, name="ask"),
    path(f"{_request}/mitigations/<uuid:mitigation_id>/withdraw", views.withdraw, name="withdraw"),
    path(f"{_request}/extend", views.extend, name="extend"),
    path(f"{_request}/extend/preview", preview_views.extension, name="extension"),
    path(f"{_request}/notes", note_views.notes, name="notes"),
    path(f"{_request}/take-over", note_views.take_over, name="take-over"),
    path(f"{_request}/efficacy", views.efficacy, name="efficacy"),
    path(f"{_request}/acknowledge", views.acknowledge, name="acknowledge"),
]

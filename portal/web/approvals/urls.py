"""Requests that wait for approval, and the decision about one."""

from __future__ import annotations

from django.urls import path

from portal.web.approvals import views

app_name = "approvals"

_organization = "organizations/<slug:slug>/"
_request = f"{_organization}requests/<uuid:request_id>"

urlpatterns = [
    path(f"{_organization}approvals", views.approvals, name="approvals"),
    path(f"{_request}/approval", views.approval, name="approval"),
    path(f"{_request}/approve", views.approve, name="approve"),
    path(f"{_request}/decline", views.decline, name="decline"),
    path(f"{_request}/break-glass", views.break_glass, name="break-glass"),
]

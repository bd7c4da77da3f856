"""The pages of the audit."""

from __future__ import annotations

from django.urls import path

from portal.web.audit import views

app_name = "audit"

_audit = "organizations/<slug:slug>/audit"

urlpatterns = [
    path(_audit, views.audit, name="audit"),
    path(f"{_audit}/download", views.audit_file, name="download"),
    path(f"{_audit}/mail", views.mail, name="mail"),
]

from __future__ import annotations

from django.urls import path

from portal.web.readiness import views

app_name = "readiness"

_organization = "organizations/<slug:slug>/"

urlpatterns = [
    path(f"{_organization}readiness", views.readiness, name="readiness"),
    path(f"{_organization}readiness/drills", views.drills, name="drills"),
]

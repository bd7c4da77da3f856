"""The pages of the portal's staff."""

from __future__ import annotations

from django.urls import path

from portal.web.staff import views

app_name = "staff-pages"

urlpatterns = [
    path("portal/organizations/", views.organizations, name="organizations"),
    path("portal/organizations/new", views.new, name="new"),
    path("portal/organizations/<slug:slug>/", views.organization, name="organization"),
    path(
        "portal/organizations/<slug:slug>/invitations/<uuid:invitation_id>/revoke",
        views.revoke,
        name="revoke",
    ),
]

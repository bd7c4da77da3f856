"""The portal's list of providers, for its staff."""

from __future__ import annotations

from django.urls import path

from portal.web.staff_providers import views

app_name = "staff-providers"

urlpatterns = [
    path("portal/providers/", views.providers, name="providers"),
    path("portal/providers/new", views.new, name="new"),
    path("portal/providers/<uuid:provider_id>/", views.provider, name="provider"),
]

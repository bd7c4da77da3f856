"""The scorecard of an organization's providers, and the form of their service levels."""

from __future__ import annotations

from django.urls import path

from portal.web.scorecard import views

app_name = "scorecard"

_organization = "organizations/<slug:slug>/"

urlpatterns = [
    path(f"{_organization}scorecard", views.scorecard, name="scorecard"),
    path(f"{_organization}scorecard.csv", views.scorecard_csv, name="csv"),
    path(
        f"{_organization}settings/providers/<uuid:provider_id>/service-levels",
        views.levels,
        name="levels",
    ),
]

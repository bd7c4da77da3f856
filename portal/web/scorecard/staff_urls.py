"""The scorecard over all organizations, for the portal's staff."""

from __future__ import annotations

from django.urls import path

from portal.web.scorecard import staff_views

app_name = "staff-scorecard"

urlpatterns = [
    path("portal/scorecard", staff_views.scorecard, name="scorecard"),
    path("portal/scorecard.csv", staff_views.scorecard_csv, name="csv"),
]

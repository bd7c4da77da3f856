"""The first page of an organization."""

from __future__ import annotations

from django.urls import path

from portal.web.now import views

app_name = "now"

urlpatterns = [
    path("", views.home, name="home"),
    path("organizations/<slug:slug>/", views.now, name="now"),
]

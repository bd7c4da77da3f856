"""The pages of the previews."""

from __future__ import annotations

from django.urls import path

from portal.preview import views

app_name = "preview"

urlpatterns = [
    path("organizations/<slug:slug>/requests/preview", views.preview, name="preview"),
    path(
        "organizations/<slug:slug>/requests/<uuid:request_id>/extend/preview",
        views.extension,
        name="extension",
    ),
]

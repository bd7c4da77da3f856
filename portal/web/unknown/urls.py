"""URLs to adopt or withdraw an unknown mitigation. The buttons are on the Now page."""

from __future__ import annotations

from django.urls import path

from portal.web.unknown import views

app_name = "unknown"

_unknown = "organizations/<slug:slug>/unknown-mitigations/<uuid:unknown_id>"

urlpatterns = [
    path(f"{_unknown}/adopt", views.adopt, name="adopt"),
    path(f"{_unknown}/withdraw", views.withdraw, name="withdraw"),
]

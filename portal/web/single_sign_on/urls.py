"""Signing in by the identity provider of an organization."""

from __future__ import annotations

from django.urls import path

from portal.web.single_sign_on import views

app_name = "single-sign-on"

urlpatterns = [
    path("sign-in/organization", views.choose, name="choose"),
    path("sign-in/organization/<uuid:organization_id>/answer", views.answer, name="callback"),
    path("confirm-by-single-sign-on", views.confirm, name="confirm"),
]

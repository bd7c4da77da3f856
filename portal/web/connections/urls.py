"""The pages of an organization's connections with providers."""

from __future__ import annotations

from django.urls import path

from portal.web.connections import views

app_name = "connections"

_providers = "organizations/<slug:slug>/settings/providers"
_provider = f"{_providers}/<uuid:provider_id>"

urlpatterns = [
    path(_providers, views.providers, name="providers"),
    path(_provider, views.provider, name="provider"),
    path(f"{_provider}/key", views.make_key, name="make-key"),
    path(f"{_provider}/key/discard", views.discard_key, name="discard-key"),
    path(f"{_provider}/key/request.csr", views.signing_request, name="signing-request"),
    path(f"{_provider}/certificate", views.certificate, name="certificate"),
    path(f"{_provider}/files", views.files, name="files"),
    path(f"{_provider}/pkcs12", views.pkcs12, name="pkcs12"),
    path(f"{_provider}/use", views.use, name="use"),
    path(f"{_provider}/test", views.test, name="test"),
    path(f"{_provider}/move", views.move, name="move"),
    path(f"{_provider}/asked", views.asked, name="asked"),
    path(f"{_provider}/disconnect", views.disconnect, name="disconnect"),
]

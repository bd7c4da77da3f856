"""The pages of resources."""

from __future__ import annotations

from django.urls import path

from portal.web.resources import views

app_name = "resources"

_resources = "organizations/<slug:slug>/settings/resources"
_resource = f"{_resources}/<uuid:resource_id>"

urlpatterns = [
    path(_resources, views.resources, name="resources"),
    path(_resource, views.resource, name="resource"),
    path(f"{_resource}/check", views.check, name="check"),
    path(f"{_resource}/rename", views.rename, name="rename"),
    path(f"{_resource}/remove", views.remove, name="remove"),
]

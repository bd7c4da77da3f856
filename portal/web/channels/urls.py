"""Settings › Notices: the channels of an organization."""

from __future__ import annotations

from django.urls import path

from portal.web.channels import views

app_name = "channels"

_channels = "organizations/<slug:slug>/settings/notices"
_channel = f"{_channels}/<uuid:channel_id>"

urlpatterns = [
    path(_channels, views.channels, name="channels"),
    path(f"{_channels}/new", views.new_channel, name="new-channel"),
    path(_channel, views.channel, name="channel"),
    path(f"{_channel}/deliveries", views.deliveries, name="deliveries"),
    path(f"{_channel}/rotate", views.rotate, name="rotate"),
    path(f"{_channel}/end-previous-secret", views.end_previous_secret, name="end-previous-secret"),
    path(f"{_channel}/switch", views.switch, name="switch"),
    path(f"{_channel}/test", views.test, name="test-channel"),
    path(f"{_channel}/remove", views.remove, name="remove-channel"),
]

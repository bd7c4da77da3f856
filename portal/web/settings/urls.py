"""The settings of an organization."""

from __future__ import annotations

from django.urls import path

from portal.web.settings import views

app_name = "settings"

_settings = "organizations/<slug:slug>/settings"
_member = f"{_settings}/members/<uuid:member_id>"
_invitation = f"{_settings}/invitations/<uuid:invitation_id>"

urlpatterns = [
    path(_settings, views.start, name="start"),
    path(f"{_settings}/members", views.members_list, name="members"),
    path(f"{_member}/role", views.change_role, name="role"),
    path(f"{_member}/remove", views.remove, name="remove"),
    path(f"{_member}/lost-phone", views.lost_phone, name="lost-phone"),
    path(f"{_member}/lost-phone/confirm", views.confirm_lost_phone, name="confirm-lost-phone"),
    path(f"{_member}/lost-phone/cancel", views.cancel_lost_phone, name="cancel-lost-phone"),
    path(f"{_invitation}/send-again", views.send_again, name="send-again"),
    path(f"{_invitation}/revoke", views.revoke, name="revoke"),
]

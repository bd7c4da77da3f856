"""The settings of an organization."""

from __future__ import annotations

from django.urls import path

from portal.web.settings import policy_views, single_sign_on, token_views, views

app_name = "settings"

_settings = "organizations/<slug:slug>/settings"
_member = f"{_settings}/members/<uuid:member_id>"
_single_sign_on = f"{_settings}/single-sign-on"
_invitation = f"{_settings}/invitations/<uuid:invitation_id>"

urlpatterns = [
    path(_settings, views.start, name="start"),
    path(f"{_settings}/members", views.members_list, name="members"),
    path(f"{_settings}/policy", policy_views.policy, name="policy"),
    path(f"{_member}/role", views.change_role, name="role"),
    path(f"{_member}/remove", views.remove, name="remove"),
    path(f"{_member}/lost-phone", views.lost_phone, name="lost-phone"),
    path(f"{_member}/lost-phone/confirm", views.confirm_lost_phone, name="confirm-lost-phone"),
    path(f"{_member}/lost-phone/cancel", views.cancel_lost_phone, name="cancel-lost-phone"),
    path(f"{_settings}/tokens", token_views.tokens, name="tokens"),
    path(
        f"{_settings}/tokens/<uuid:token_id>/revoke", token_views.revoke_token, name="revoke-token"
    ),
    path(f"{_invitation}/send-again", views.send_again, name="send-again"),
    path(f"{_invitation}/revoke", views.revoke, name="revoke"),
    path(_single_sign_on, single_sign_on.settings, name="single-sign-on"),
    path(f"{_single_sign_on}/test", single_sign_on.test, name="test-single-sign-on"),
    path(f"{_single_sign_on}/remove", single_sign_on.remove, name="remove-single-sign-on"),
    path(
        f"{_single_sign_on}/domains/<uuid:domain_id>/check",
        single_sign_on.check,
        name="check-domain",
    ),
]

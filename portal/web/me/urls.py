"""The pages about the person who is signed in."""

from __future__ import annotations

from django.urls import path

from portal.web.link_words import WORD
from portal.web.me import (
    email_views,
    factors_views,
    notice_views,
    password_views,
    profile_views,
    push_views,
    session_views,
    token_views,
)

app_name = "me"

_factors = "me/second-factor"
_factor = f"{_factors}/<slug:kind>/<int:factor_id>"

urlpatterns = [
    path("me", profile_views.me, name="me"),
    path("me/profile", profile_views.profile, name="profile"),
    path("me/email", email_views.ask, name="email"),
    path(f"me/email/{WORD}", email_views.confirm, name="confirm-email"),
    path("me/password", password_views.password, name="password"),
    path(_factors, factors_views.factors, name="factors"),
    path(f"{_factors}/add-app", factors_views.add_app, name="add-app"),
    path(f"{_factors}/add-passkey", factors_views.add_passkey, name="add-passkey"),
    path(f"{_factors}/recovery-codes", factors_views.renew_codes, name="renew-codes"),
    path(f"{_factor}/rename", factors_views.rename, name="rename-factor"),
    path(f"{_factor}/remove", factors_views.remove, name="remove-factor"),
    path("me/notices", notice_views.notices, name="notices"),
    path("me/notices/devices", push_views.add, name="add-push-device"),
    path(
        "me/notices/devices/<uuid:device_id>/remove",
        push_views.remove,
        name="remove-push-device",
    ),
    path("notices/stop/<str:token>", notice_views.stop, name="stop-notices"),
    path("me/sessions", session_views.sessions, name="sessions"),
    path("me/sessions/end-others", session_views.end_others, name="end-other-sessions"),
    path("me/sessions/<uuid:session_id>/end", session_views.end, name="end-session"),
    path("me/tokens", token_views.tokens, name="tokens"),
    path("me/tokens/<uuid:token_id>/revoke", token_views.revoke_token, name="revoke-token"),
]

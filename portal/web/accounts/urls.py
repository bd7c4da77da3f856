"""Sign-in and the second factor."""

from __future__ import annotations

from django.urls import path

from portal.web.accounts import forgotten_views, passkey_views, views
from portal.web.link_words import WORD

app_name = "accounts"

urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("forgot-password", forgotten_views.forgot, name="forgot-password"),
    path(f"new-password/{WORD}", forgotten_views.new_password, name="new-password"),
    path("confirm", views.confirm, name="confirm"),
    path("sign-in/passkey", passkey_views.passkey, name="passkey"),
    path("sign-in/code/passkey", passkey_views.second_factor, name="code-passkey"),
    path("sign-in/code", views.code, name="code"),
    path("enrol", views.enrol, name="enrol"),
    path("enrol/passkey", passkey_views.enrol, name="enrol-passkey"),
    path("enrol/recovery-codes", views.recovery_codes, name="recovery-codes"),
    path("signed-in", views.signed_in, name="signed-in"),
    path("sign-out", views.sign_out, name="sign-out"),
]

"""Sign-in and the second factor."""

from __future__ import annotations

from django.urls import path

from portal.web.accounts import views

app_name = "accounts"

urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-in/code", views.code, name="code"),
    path("enrol", views.enrol, name="enrol"),
    path("enrol/recovery-codes", views.recovery_codes, name="recovery-codes"),
    path("sign-out", views.sign_out, name="sign-out"),
]

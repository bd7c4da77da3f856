"""Accepting an invitation."""

from __future__ import annotations

from django.urls import path

from portal.web.invitations import views
from portal.web.link_words import WORD

app_name = "invitations"

urlpatterns = [path(f"invitations/{WORD}", views.invitation, name="invitation")]

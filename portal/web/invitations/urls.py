"""Accepting an invitation."""

from __future__ import annotations

from django.urls import path, register_converter

from portal.organizations.invitations import MAX_TOKEN_LENGTH
from portal.web.invitations import views

app_name = "invitations"


class TokenConverter:
    """The random word of a link."""

    regex = rf"[A-Za-z0-9_-]{{1,{MAX_TOKEN_LENGTH}}}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(TokenConverter, "token")

urlpatterns = [path("invitations/<token:token>", views.invitation, name="invitation")]

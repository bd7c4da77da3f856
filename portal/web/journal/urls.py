"""The pages of the wire journal."""

from __future__ import annotations

from django.urls import path

from portal.web.journal import views

app_name = "journal"

_journal = "organizations/<slug:slug>/requests/<uuid:request_id>/wire"

urlpatterns = [
    path(_journal, views.journal, name="journal"),
    path(f"{_journal}/download", views.journal_file, name="download"),
]

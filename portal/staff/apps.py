from __future__ import annotations

from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "portal.staff"
    default_auto_field = "django.db.models.BigAutoField"

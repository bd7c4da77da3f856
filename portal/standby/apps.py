from __future__ import annotations

from django.apps import AppConfig


class StandbyConfig(AppConfig):
    name = "portal.standby"
    default_auto_field = "django.db.models.BigAutoField"

from __future__ import annotations

from django.apps import AppConfig


class MitigationsConfig(AppConfig):
    name = "portal.mitigations"
    default_auto_field = "django.db.models.BigAutoField"

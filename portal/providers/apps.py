from __future__ import annotations

from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "portal.providers"
    default_auto_field = "django.db.models.BigAutoField"

from __future__ import annotations

from django.apps import AppConfig


class RpkiConfig(AppConfig):
    name = "portal.rpki"

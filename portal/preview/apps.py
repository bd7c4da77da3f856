from __future__ import annotations

from django.apps import AppConfig


class PreviewConfig(AppConfig):
    name = "portal.preview"

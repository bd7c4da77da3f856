from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "portal.api"

    def ready(self) -> None:
        # Registers how the document of the API names our ways to sign in.
        from portal.api import schema  # noqa: F401

from __future__ import annotations

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "portal.organizations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.accounts.signals import second_factor_reset
        from portal.organizations.recording import record_factor_reset

        second_factor_reset.connect(record_factor_reset)

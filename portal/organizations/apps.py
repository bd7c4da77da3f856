from __future__ import annotations

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "portal.organizations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.accounts.signals import (
            access_ending,
            organizations_asked,
            second_factor_reset,
        )
        from portal.organizations.access import lock_logs_of
        from portal.organizations.recording import organizations_of, record_factor_reset

        access_ending.connect(lock_logs_of)
        organizations_asked.connect(organizations_of)
        second_factor_reset.connect(record_factor_reset)

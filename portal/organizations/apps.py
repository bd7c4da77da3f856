from __future__ import annotations

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "portal.organizations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.accounts.signals import (
            access_ending,
            credential_ending,
            organizations_asked,
            rights_ending,
            second_factor_reset,
        )
        from portal.organizations.access import lock_logs_of
        from portal.organizations.acting import end_with_credential, end_with_right
        from portal.organizations.recording import organizations_of, record_factor_reset

        access_ending.connect(lock_logs_of)
        rights_ending.connect(end_with_right)
        credential_ending.connect(end_with_credential)
        organizations_asked.connect(organizations_of)
        second_factor_reset.connect(record_factor_reset)

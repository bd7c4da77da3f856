from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "portal.audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.audit.staff_acts import record_staff_act
        from portal.core.admin import staff_acted

        staff_acted.connect(record_staff_act)

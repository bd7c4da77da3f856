"""Staff read every chain; no one changes one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from portal.audit.models import AuditEntry
from portal.core.admin import StaffAdmin, site


@admin.register(AuditEntry, site=site)
class AuditEntryAdmin(StaffAdmin):
    """Entries of all organizations, and those of the portal itself."""

    list_display = ("at", "actor_name", "verb", "object_name", "address", "organization_id")
    list_filter = ("verb", "is_by_staff")
    search_fields = ("actor_name", "object_name", "object_id", "organization_id")
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

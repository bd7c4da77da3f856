"""The site of the portal's own staff, behind the second factor like everything else."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_otp.admin import OTPAdminSite

from portal.core.errors import NotAllowed


class StaffSite(OTPAdminSite):
    """Django's admin without a sign-in of its own."""

    site_header = "Portal staff"
    site_title = "Portal staff"
    index_title = "Organizations and providers"

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.has_permission(request):
            return redirect("staff:index")
        raise NotAllowed("This site is for the portal's own staff.")


site = StaffSite("staff")

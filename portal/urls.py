from __future__ import annotations

from django.urls import include, path

from portal.core.admin import site

urlpatterns = [
    path("api/v1/", include("portal.api.urls")),
    path("admin/", site.urls),
    path("", include("portal.accounts.urls")),
    path("", include("portal.mitigations.urls")),
    path("", include("portal.inventory.urls")),
    path("", include("portal.wire.urls")),
    path("", include("portal.preview.urls")),
    path("", include("portal.readiness.urls")),
    path("", include("portal.standby.urls")),
]

handler400 = "portal.core.views.bad_request"
handler403 = "portal.core.views.permission_denied"
handler404 = "portal.core.views.page_not_found"
handler500 = "portal.core.views.server_error"

from __future__ import annotations

from django.urls import include, path

from portal.core.admin import site

urlpatterns = [
    path("api/v1/", include("portal.api.urls")),
    path("admin/", site.urls),
    path("", include("portal.web.accounts.urls")),
    path("", include("portal.web.single_sign_on.urls")),
    path("", include("portal.web.invitations.urls")),
    path("", include("portal.web.me.urls")),
    path("", include("portal.web.staff.urls")),
    path("", include("portal.web.settings.urls")),
    path("", include("portal.web.now.urls")),
    path("", include("portal.web.requests.urls")),
    path("", include("portal.web.approvals.urls")),
    path("", include("portal.web.unknown.urls")),
    path("", include("portal.web.journal.urls")),
    path("", include("portal.web.readiness.urls")),
    path("", include("portal.web.audit.urls")),
    path("", include("portal.web.standby.urls")),
    path("", include("portal.web.connections.urls")),
    path("", include("portal.web.scorecard.urls")),
    path("", include("portal.web.scorecard.staff_urls")),
    path("", include("portal.web.alerts.urls")),
    path("", include("portal.web.channels.urls")),
    path("", include("portal.web.staff_people.urls")),
    path("", include("portal.web.staff_providers.urls")),
    path("", include("portal.web.resources.urls")),
]

handler400 = "portal.core.views.bad_request"
handler403 = "portal.core.views.permission_denied"
handler404 = "portal.core.views.page_not_found"
handler500 = "portal.core.views.server_error"

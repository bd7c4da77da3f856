"""The pages of the portal's staff."""

from __future__ import annotations

from django.urls import path

from portal.web.staff import admin_views, claims_views, closing_views, views

app_name = "staff-pages"

urlpatterns = [
    path("portal/organizations/", views.organizations, name="organizations"),
    path("portal/organizations/new", views.new, name="new"),
    path("portal/organizations/<slug:slug>/", views.organization, name="organization"),
    path("portal/claims/", claims_views.claims, name="claims"),
    path("portal/claims/<uuid:resource_id>/", claims_views.claim, name="claim"),
    path("portal/claims/<uuid:resource_id>/verify", claims_views.verify, name="verify"),
    path("portal/claims/<uuid:resource_id>/refuse", claims_views.refuse, name="refuse"),
    path("portal/stop", views.stop, name="stop"),
    path("portal/organizations/<slug:slug>/act", views.act, name="act"),
    path("portal/organizations/<slug:slug>/suspend", views.suspend, name="suspend"),
    path("portal/organizations/<slug:slug>/rename", closing_views.rename, name="rename"),
    path("portal/organizations/<slug:slug>/limit", closing_views.change_limit, name="limit"),
    path(
        "portal/organizations/<slug:slug>/admins/<uuid:member_id>/remove",
        admin_views.remove_admin,
        name="remove-admin",
    ),
    path("portal/organizations/<slug:slug>/close", closing_views.close, name="close"),
    path("portal/organizations/<slug:slug>/open", closing_views.open_again, name="open"),
    path("portal/organizations/<slug:slug>/lift", views.lift, name="lift"),
    path(
        "portal/organizations/<slug:slug>/invitations/<uuid:invitation_id>/revoke",
        views.revoke,
        name="revoke",
    ),
]

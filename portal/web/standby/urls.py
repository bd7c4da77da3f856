"""The pages of plans."""

from __future__ import annotations

from django.urls import path

from portal.web.standby import views

app_name = "standby"

_standby = "organizations/<slug:slug>/standby"
_plan = f"{_standby}/<uuid:plan_id>"

urlpatterns = [
    path(_standby, views.standby, name="standby"),
    path(f"{_standby}/new", views.new, name="new"),
    path(_plan, views.plan_page, name="plan"),
    path(f"{_plan}/edit", views.edit, name="edit"),
    path(f"{_plan}/activate", views.activate, name="activate"),
    path(f"{_plan}/turn-on", views.turn_on, name="turn-on"),
    path(f"{_plan}/turn-off", views.turn_off, name="turn-off"),
    path(f"{_plan}/stop", views.stop, name="stop"),
    path(f"{_plan}/ask", views.ask, name="ask"),
    path(f"{_plan}/remove", views.remove, name="remove"),
]

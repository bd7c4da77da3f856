"""The people of the portal's staff."""

from __future__ import annotations

from django.urls import path

from portal.web.link_words import WORD
from portal.web.staff_people import joining, views

app_name = "staff-people"

_colleague = "portal/staff/<uuid:staff_id>"
_invitation = "portal/staff/invitations/<uuid:staff_invitation_id>"

urlpatterns = [
    path("portal/staff/", views.people, name="people"),
    path(f"{_colleague}/role", views.change_role, name="role"),
    path(f"{_colleague}/end", views.end, name="end"),
    path(f"{_colleague}/lost-phone", views.lost_phone, name="lost-phone"),
    path(f"{_colleague}/lost-phone/confirm", views.confirm_lost_phone, name="confirm-lost-phone"),
    path(f"{_colleague}/lost-phone/cancel", views.cancel_lost_phone, name="cancel-lost-phone"),
    path(f"{_invitation}/send-again", views.send_again, name="send-again"),
    path(f"{_invitation}/revoke", views.revoke, name="revoke"),
    path(f"staff-invitations/{WORD}", joining.invitation, name="invitation"),
]

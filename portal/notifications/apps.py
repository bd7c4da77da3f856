"""Notices: what happened, told to people and to the systems of their organization."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "portal.notifications"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.notifications.channels.email.person import EmailOfPerson
        from portal.notifications.receivers import person_channels

        person_channels[EmailOfPerson.kind] = EmailOfPerson()

from __future__ import annotations

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "portal.alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.alerts.models import AlertEndpoint, AlertPoll
        from portal.core.secrets import further_columns

        further_columns.append((AlertEndpoint, "secret"))
        further_columns.append((AlertEndpoint, "previous_secret"))
        further_columns.append((AlertPoll, "secret"))

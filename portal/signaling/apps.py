from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class SignalingConfig(AppConfig):
    name = "portal.signaling"

    def ready(self) -> None:
        if settings.PORTAL_SIGNAL_AGENT:
            # Only a signal worker runs sessions.
            from portal.celery import app
            from portal.signaling.worker import SignalAgentStep

            app.steps["worker"].add(SignalAgentStep)

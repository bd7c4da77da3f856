from __future__ import annotations

from celery.signals import worker_init
from django.apps import AppConfig


class MetricsConfig(AppConfig):
    name = "portal.metrics"

    def ready(self) -> None:
        worker_init.connect(_serve)


def _serve(**_: object) -> None:
    """In a Celery worker of any queue; portal.asgi does it in a web process."""
    from portal.metrics.server import serve_metrics

    serve_metrics()

"""`manage.py metrics_reference > docs/metrics.md`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from portal.metrics.reference import reference


class Command(BaseCommand):
    help = "Prints the table of all metrics, docs/metrics.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(reference(), ending="")

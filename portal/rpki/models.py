"""What the portal keeps of an RPKI validator's export: the payloads that concern its resources."""

from __future__ import annotations

from django.db import models

from portal.core.json_value import JSONValueField
from portal.rpki.validity import Vrp


class ValidatorExport(models.Model):
    """The last export that was read. At most one row, with the id 1."""

    generated_at = models.DateTimeField(null=True)
    """When the validator wrote it; null: none was read yet."""
    payloads = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)
    """When reading a newer one last failed; null: the last attempt succeeded."""
    failure = models.CharField(max_length=300, blank=True, default="")

    def __str__(self) -> str:
        return f"export of {self.generated_at}"


class RouteOrigins(models.Model):
    """The payloads that cover one route of a resource, as in the last export.

    A route without a row was not looked up yet.
    """

    route = models.CharField(max_length=43, primary_key=True)
    vrps = JSONValueField(tuple[Vrp, ...], default=tuple)

    def __str__(self) -> str:
        return self.route

from __future__ import annotations

from django.apps import AppConfig


class OwnershipConfig(AppConfig):
    name = "portal.ownership"

    def ready(self) -> None:
        from django.db.models.signals import post_save

        from portal.organizations.models import ProtectedResource
        from portal.ownership.services.claims import make_claim

        post_save.connect(make_claim, sender=ProtectedResource)

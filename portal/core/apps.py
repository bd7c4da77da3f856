from __future__ import annotations

import logging

from django.apps import AppConfig

logger = logging.getLogger(__name__)


class CoreConfig(AppConfig):
    name = "portal.core"

    def ready(self) -> None:
        # Registers the system checks.
        from portal import checks

        for notice in checks.check_former_names(None):
            logger.warning("%s %s", notice.msg, notice.hint)

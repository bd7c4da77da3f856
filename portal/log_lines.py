"""What the processes log, and how."""

from __future__ import annotations

from typing import Any, Final

from portal import env

LOG_LINES: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "portal.core.logs.TextLines",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
        "json": {"()": "portal.core.logs.JsonLines"},
    },
    "filters": {
        "ids": {"()": "portal.core.log_ids.WithLogIds"},
        "outages": {"()": "portal.core.logs.OutagesInOneLine"},
        "refusals": {"()": "portal.core.logs.BoundedRefusals"},
        "no_secret_paths": {"()": "portal.core.logs.NoSecretPaths"},
        "no_healthy_answers": {"()": "portal.core.logs.NoHealthyAnswers"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.choice("PORTAL_LOG_FORMAT", ("text", "json")),
            "filters": ["outages", "ids", "no_secret_paths"],
        }
    },
    "root": {"handlers": ["console"], "level": env.text("PORTAL_LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True, "level": "INFO"},
        # Written whatever PORTAL_LOG_LEVEL is.
        "portal.security": {"level": "INFO", "filters": ["refusals"]},
        # The wire journal has the single messages.
        "dots_client.coap": {"level": "WARNING"},
        # Celery says twice that a task ran, a million times a day. A failure is an error.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        # Django reads this after uvicorn configured its logging, and replaces uvicorn's handlers.
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": True, "filters": ["no_healthy_answers"]},
    },
}

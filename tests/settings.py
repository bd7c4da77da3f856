"""The portal's settings, with everything that is slow or outside the process replaced."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ["PORTAL_DEBUG"] = "1"
for _name in (
    "PORTAL_REDIS_URL",
    "PORTAL_SECRET_KEY",
    "PORTAL_ENCRYPTION_KEYS",
    "PORTAL_SECRETS_KEYS",
):
    os.environ.pop(_name, None)

from portal.settings import *  # noqa: E402, F403
from portal.settings import DATABASES, STORAGES  # noqa: E402
from tests.on_postgresql import TABLES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_HOST = "mail.example"
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT = "memory"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

# One per run, since runs may overlap. With SQLite a file, since sockets are tested from several
# threads.
DATABASES["default"]["TEST"] = (
    {"NAME": str(Path(tempfile.gettempdir()) / f"portal-test-{os.getpid()}.sqlite3")}
    if "sqlite3" in DATABASES["default"]["ENGINE"]
    else {"NAME": f"portal_test_{os.getpid()}", "TEMPLATE": os.environ.get(TABLES)}
)
# A pool opened on the database of DATABASE_URL would keep using it: the tests would empty it.
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)

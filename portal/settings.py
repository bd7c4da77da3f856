"""Settings of the portal. The environment is the only difference between installations."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from kombu import Queue

from portal import env
from portal.api_settings import REST_FRAMEWORK as REST_FRAMEWORK
from portal.api_settings import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from portal.audit.append_only import YOUNGEST_CUT_DAYS
from portal.core.body_limits import MAX_BODY_BYTES
from portal.log_lines import LOG_LINES
from portal.schedule import BEAT_SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.flag("PORTAL_DEBUG")
ALLOWED_HOSTS = env.items("PORTAL_HOSTS")
CSRF_TRUSTED_ORIGINS = env.items("PORTAL_ORIGINS")
# For links in notices; empty: the first of PORTAL_ORIGINS, or of PORTAL_HOSTS.
PORTAL_ADDRESS = env.text("PORTAL_ADDRESS").rstrip("/")

# portal.checks refuses to start in production with the development values below.
SECRET_KEY = env.secret("PORTAL_SECRET_KEY") or ("only-for-development" * 3 if DEBUG else "")
ENCRYPTION_KEYS = [
    key.strip() for key in env.secret("PORTAL_ENCRYPTION_KEYS").split(",") if key.strip()
]
if DEBUG and not ENCRYPTION_KEYS:
    ENCRYPTION_KEYS = ["b25seS1mb3ItZGV2ZWxvcG1lbnQtMDEyMzQ1Njc4OTA="]

PORTAL_NAME = env.text("PORTAL_NAME", "Mitigation portal")
PORTAL_EMERGENCY_PHONE = env.text("PORTAL_EMERGENCY_PHONE", "+1 555 0100" if DEBUG else "")

# Applications

INSTALLED_APPS = [
    "portal.core",
    "portal.audit",
    "portal.mail",
    "portal.accounts",
    "portal.events",
    "portal.organizations",
    "portal.staff",
    "portal.providers",
    "portal.mitigations",
    "portal.inventory",
    "portal.rpki",
    "portal.standby",
    "portal.connections",
    "portal.scorecard",
    "portal.ownership",
    "portal.sso",
    "portal.wire",
    "portal.alerts",
    "portal.signaling",
    "portal.notifications",
    "portal.notifications.channels",
    "portal.readiness",
    "portal.metrics",
    "portal.api",
    "portal.realtime",
    "portal.web",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp_webauthn",
    "django_htmx",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "csp",
    "channels",
    # For the messages of OpenID Connect; their tables stay empty (ADR 68).
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    "portal.core.middleware.Measured",
    "portal.core.middleware.PrivateAnswers",
    "portal.core.middleware.HealthCheck",
    "portal.core.middleware.RefusePlainCalls",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.core.compression.Compression",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "portal.web.accounts.middleware.NotesUse",
    "portal.web.accounts.middleware.InOwnTimeZone",
    "portal.audit.origin.KnowsOrigin",
    "portal.web.accounts.middleware.RequireSecondFactor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # allauth does not start without it.
    "allauth.account.middleware.AccountMiddleware",
    "portal.core.middleware.ErrorPages",
    "portal.web.accounts.step_up.StepUpPages",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.core.context_processors.installation",
            ],
        },
    },
]

# Data

DATABASES = {
    "default": env.database(
        env.secret("DATABASE_URL"),
        default_path=BASE_DIR / "var" / "portal.sqlite3",
        prepares=env.flag("PORTAL_PREPARED_STATEMENTS", default=True),
    )
}

REDIS_URL = env.redis(env.secret("PORTAL_REDIS_URL"))

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "portal"},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "portal.core.counting_cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "portal",
        "OPTIONS": {
            "socket_timeout": 0.5,
            "socket_connect_timeout": 0.5,
            "retry": env.ONCE_MORE_ELSEWHERE,
        },
    }
    if REDIS_URL
    else {
        "BACKEND": "portal.core.counting_cache.MemoryCache",
        # Beyond it entries are evicted at random, including counts of attempts.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# Background work

CELERY_BROKER_URL = env.broker(REDIS_URL or "redis://127.0.0.1:6379/0")
CELERY_BROKER_TRANSPORT = "portal.core.broker:RedisTransport"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = [Queue("default"), Queue("signal"), Queue("alerts"), Queue("notices")]
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = {
    "portal.signaling.tasks.reconcile": {"queue": "signal"},
    "portal.alerts.tasks.map_waiting": {"queue": "alerts"},
    "portal.alerts.tasks.poll": {"queue": "alerts"},
    "portal.alerts.tasks.follow": {"queue": "alerts"},
    "portal.notifications.tasks.*": {"queue": "notices"},
}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Measured: with these a web request waits at most 13 ms for a dead broker, and 1 s for a hung one.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CONSUMER = "portal.core.broker:Consumer"
CELERY_BEAT_SCHEDULER = "portal.core.broker:Scheduler"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
    "socket_timeout": 1.0,
    "socket_connect_timeout": 1.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "visibility_timeout": 60,
}
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE

# Proofs of resources, and routes

# The portal's own recursive resolvers; empty: those of the system.
PORTAL_DNS_SERVERS = env.servers("PORTAL_DNS_SERVERS", port=53)
# The lengths of IPv4 and IPv6 prefixes that a proof verifies without staff.
PORTAL_PROVED_PREFIXES = env.prefix_lengths("PORTAL_PROVED_PREFIXES", "8-24, 16-48")
# The export of an RPKI validator: a path or an http(s) URL.
PORTAL_RPKI_SOURCE = env.text("PORTAL_RPKI_SOURCE")

# How much of the past is kept, and how long staff act for an organization.
PORTAL_COUNTER_DAYS = env.integer("PORTAL_COUNTER_DAYS", 14, at_least=1)
PORTAL_ALERT_DAYS = env.integer("PORTAL_ALERT_DAYS", 90, at_least=1)
PORTAL_NOTICE_DAYS = env.integer("PORTAL_NOTICE_DAYS", 90, at_least=31)
PORTAL_AUDIT_DAYS = env.integer("PORTAL_AUDIT_DAYS", 730, at_least=YOUNGEST_CUT_DAYS)
STAFF_ACTING_FOR = timedelta(minutes=env.integer("PORTAL_ACTING_MINUTES", 30, at_least=1))
PORTAL_WIRE_DAYS = env.integer("PORTAL_WIRE_DAYS", 90, at_least=1)
PORTAL_WIRE_ROWS = env.integer("PORTAL_WIRE_ROWS", 50_000, at_least=1)

CELERY_BEAT_SCHEDULE_FILENAME = str(BASE_DIR / "var" / "beat-schedule")

# Monitoring

METRICS_ADDRESS = env.listen_address(env.text("PORTAL_METRICS_ADDRESS"))
METRICS_TOKEN = env.secret("PORTAL_METRICS_TOKEN")

# Mail

_MAIL = env.mail(env.secret("PORTAL_MAIL_URL"))
EMAIL_BACKEND = (
    "django.core.mail.backends.filebased.EmailBackend"
    if _MAIL.folder
    else "django.core.mail.backends.smtp.EmailBackend"
)
EMAIL_FILE_PATH = _MAIL.folder
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.starts_tls, _MAIL.is_tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("PORTAL_MAIL_FROM", "portal@localhost")

# Who may come in

AUTH_USER_MODEL = "accounts.User"
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105 — the name of a model
REST_KNOX = {
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(days=30),
    "TOKEN_MODEL": KNOX_TOKEN_MODEL,
}
# Its only table would be that of the token model that ours replaces.
MIGRATION_MODULES = {"knox": None}
# A hash of an older release is replaced at the person's next sign-in.
PASSWORD_HASHERS = [
    "portal.accounts.hashers.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "portal.accounts.passwords.NotGuessedFirst"},
    {"NAME": "portal.accounts.passwords.NotLeaked"},
    {"NAME": "portal.accounts.passwords.NewPasswordEndsAccess"},
]
# A file of SHA-1 hashes in order, such as that of Pwned Passwords; empty: no such list.
PORTAL_LEAKED_PASSWORDS = env.text("PORTAL_LEAKED_PASSWORDS")
OTP_WEBAUTHN_HELPER_CLASS = "portal.accounts.passkey_helper.PasskeyHelper"
# They ask for settings that the helper takes from the request and from PORTAL_NAME.
SILENCED_SYSTEM_CHECKS = ["otp_webauthn.E010", "otp_webauthn.E011", "otp_webauthn.E030"]

LOGIN_URL = "/sign-in"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL

SOCIALACCOUNT_ADAPTER = "portal.sso.allauth_adapter.SocialAccountAdapter"
# Private networks in which identity providers of customers may be.
PORTAL_SSO_NETWORKS = env.networks("PORTAL_SSO_NETWORKS")
# Private networks in which receivers of notices may be.
PORTAL_NOTICE_NETWORKS = env.networks("PORTAL_NOTICE_NETWORKS")
# Private networks in which detectors may be that the portal polls.
PORTAL_ALERT_NETWORKS = env.networks("PORTAL_ALERT_NETWORKS")
# The keys by which push services know the portal, the newest first; none: no Web Push.
PORTAL_VAPID_KEYS = [
    key.strip() for key in env.secret("PORTAL_VAPID_KEYS").split(",") if key.strip()
]
# The address for questions of push services.
PORTAL_VAPID_CONTACT = env.text("PORTAL_VAPID_CONTACT", "mailto:portal@localhost")

SESSION_ENGINE = "portal.accounts.session_store"
# How long a sign-in in a browser lasts, and how long without use (ADR 71).
SESSION_COOKIE_AGE = 3600 * env.integer("PORTAL_SESSION_HOURS", 12, at_least=1)
SESSION_IDLE = timedelta(minutes=env.integer("PORTAL_SESSION_IDLE_MINUTES", 60, at_least=5))
HTTPS = env.flag("PORTAL_HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = HTTPS
# Browsers accept a cookie with this prefix only over TLS from this very host, so that no sibling
# host can plant one.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = HTTPS
# Forms and htmx take the token from the page.
CSRF_COOKIE_HTTPONLY = True
# Identifies a known browser at the next sign-in (ADR 35).
KNOWN_DEVICE_COOKIE = f"{COOKIE_PREFIX}known-device"
CSRF_FAILURE_VIEW = "portal.web.accounts.views.csrf_failure"
SECURE_SSL_REDIRECT = HTTPS
# The API, except for its document for people. RefusePlainCalls refuses these without TLS.
CALLS = r"api/(?!v1/docs/)"
SECURE_REDIRECT_EXEMPT = [CALLS]
SECURE_HSTS_SECONDS = env.integer("PORTAL_HSTS_S", 31_536_000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "style-src": [SELF],
        "script-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
        "worker-src": [SELF],
    }
}

# Pages

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["portal.core.formats"]
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG

LOGGING = LOG_LINES

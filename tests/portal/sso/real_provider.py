"""allauth's OpenID provider in a separate process: `python -m tests.portal.sso.real_provider
REDIRECT_URI` writes its address and serves until it is ended.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final
from wsgiref.simple_server import make_server

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

PERSON: Final = "bob"
EMAIL: Final = "bob@acme.example"
PASSWORD: Final = "of the identity provider"


def main(redirect_uri: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    settings.configure(
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "allauth",
            "allauth.account",
            "allauth.idp.oidc",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        IDP_OIDC_PRIVATE_KEY=pem,
        IDP_OIDC_ADAPTER=f"{__name__}.Adapter",
    )
    django.setup()
    call_command("migrate", verbosity=0)
    _add(redirect_uri)
    with make_server("127.0.0.1", 0, get_wsgi_application()) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


def _add(redirect_uri: str) -> None:
    from allauth.account.models import EmailAddress
    from allauth.idp.oidc.models import Client
    from django.contrib.auth.models import User

    from tests.portal.sso.identity_provider import CLIENT_ID, CLIENT_SECRET

    person = User.objects.create_user(PERSON, EMAIL, PASSWORD)
    EmailAddress.objects.create(user=person, email=EMAIL, verified=True, primary=True)
    client = Client(
        id=CLIENT_ID,
        name="Portal",
        scopes="openid\nemail\nprofile",
        redirect_uris=redirect_uri,
    )
    client.set_secret(CLIENT_SECRET)
    client.save()


def __getattr__(name: str) -> Any:
    """Both need settings before they can be imported."""
    if name == "urlpatterns":
        return [
            path("", include("allauth.idp.urls")),
            path("accounts/", include("allauth.account.urls")),
        ]
    if name == "Adapter":
        return _adapter()
    raise AttributeError(name)


def _adapter() -> Any:
    from allauth.idp.oidc.adapter import DefaultOIDCAdapter

    class Adapter(DefaultOIDCAdapter):  # type: ignore[misc]  # untyped
        def populate_id_token(
            self, id_token: dict[str, Any], client: Any, scopes: Any, **kwargs: Any
        ) -> None:
            """Add how and when the person signed in: allauth leaves both out."""
            id_token["amr"] = ["pwd", "otp"]
            id_token["auth_time"] = int(time.time())

    return Adapter


if __name__ == "__main__":
    # Its adapter and its routes are found by the name of this module.
    sys.modules["tests.portal.sso.real_provider"] = sys.modules["__main__"]
    main(sys.argv[1])

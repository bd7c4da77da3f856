"""How django-otp-webauthn makes and checks passkeys of this portal."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django_otp_webauthn.helpers import WebAuthnHelper

from portal.core.origins import origin_of


class PasskeyHelper(WebAuthnHelper):
    """A passkey belongs to the host name that the person uses, which is among PORTAL_HOSTS."""

    def get_relying_party_domain(self) -> str:
        host: str = self.request.get_host()
        return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host

    def get_relying_party_name(self) -> str:
        return str(settings.PORTAL_NAME)

    def get_allowed_origins(self) -> list[str]:
        return [origin_of(self.request)]

    def _check_discoverable(self, original_data: dict[str, Any]) -> bool | None:
        """What the browser says about it, which may be anything; the library expects objects."""
        found: Any = original_data
        for name in ("clientExtensionResults", "credProps", "rk"):
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, bool) else None

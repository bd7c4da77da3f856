"""allauth's adapters, as the portal uses allauth: for the messages of OpenID Connect, and for
nothing else. Its pages have no routes, and its tables stay empty.
"""

from __future__ import annotations

import requests
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter

from portal.sso import fetching


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # untyped
    """SOCIALACCOUNT_ADAPTER."""

    def get_requests_session(self) -> requests.Session:
        return fetching.session()

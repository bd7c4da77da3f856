"""Safe redirects to a path that the request names."""

from __future__ import annotations

from typing import Final

from django.utils.http import url_has_allowed_host_and_scheme

MAX_PATH_LENGTH: Final = 2000


def local_path(wished: str, *, default: str) -> str:
    """`wished` if it is a path on this site that fits into a redirect; otherwise `default`.

    Pass the result to HttpResponseRedirect. `redirect()` treats text without a slash as the name of
    a view, and fails if no view has it.
    """
    is_local = (
        wished.startswith("/")
        and wished.isprintable()
        and len(wished) <= MAX_PATH_LENGTH
        and url_has_allowed_host_and_scheme(wished, allowed_hosts=None)
    )
    return wished if is_local else default

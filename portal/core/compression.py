"""Compresses pages, fragments and JSON, because people read them while an attack fills the line."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final, cast

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware, re_accepts_gzip
from django.utils.cache import patch_vary_headers

NEVER_COMPRESSED: Final = ("/sign-in", "/enrol", "/api/v1/auth/")
"""Responses with a plain secret (an authenticator key, recovery codes, a token), whose length must
not depend on it (BREACH).
"""
COMPRESSIBLE: Final = (
    "text/",
    "application/json",
    "application/problem+json",
    "application/x-ndjson",
    "application/vnd.oai.openapi",
)
LEVEL: Final = 6
_GZIP: Final = 16 + zlib.MAX_WBITS
"""Window bits that make zlib write a gzip header and trailer."""


class Compression(GZipMiddleware):
    """Comes after WhiteNoise, whose files are compressed when they are collected.

    Secrets in a page (the CSRF token, the signed typist of a form) are masked or signed differently
    in every response, and up to `max_random_bytes` of padding hide the length of each response,
    except of a stream, which is a download.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path.startswith(NEVER_COMPRESSED):
            return response
        if not response.get("Content-Type", "").startswith(COMPRESSIBLE):
            return response
        if isinstance(response, StreamingHttpResponse) and response.is_async:
            return _streamed(request, response)
        return super().process_response(request, response)


def _streamed(request: HttpRequest, response: StreamingHttpResponse) -> StreamingHttpResponse:
    """One gzip member for all chunks.

    Django makes one per chunk, and Chromium ignores all but the first.
    """
    patch_vary_headers(response, ["Accept-Encoding"])
    accepted = request.headers.get("Accept-Encoding", "")
    if response.has_header("Content-Encoding") or not re_accepts_gzip.search(accepted):
        return response
    # Iterating the response itself would read the content set here.
    chunks = cast(AsyncIterator[bytes], response.streaming_content)
    response.streaming_content = _one_member(chunks)
    response["Content-Encoding"] = "gzip"
    return response


async def _one_member(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    async for chunk in chunks:
        if compressed := compressor.compress(chunk):
            yield compressed
    yield compressor.flush()

"""Read the export of the configured RPKI validator, and keep what concerns our resources."""

from __future__ import annotations

import logging
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from django.db import transaction

from portal.core.targets import IPNetwork, Target
from portal.organizations.models import ProtectedResource, ResourceKind
from portal.rpki.export import UnreadableExportError, covering, generated_at, payloads
from portal.rpki.models import RouteOrigins, ValidatorExport
from portal.rpki.validity import Vrp, route_for

logger = logging.getLogger(__name__)

MAX_EXPORT_BYTES: Final = 512 * 2**20
"""An export of 2026 has about 100 MB."""
MAX_SECONDS: Final = 60
"""for fetching an export"""
_STALLED_S: Final = 10
_CHUNK: Final = 2**20
_ONLY: Final = 1


def refresh(source: str, now: datetime) -> None:
    """Read the export at `source`, a path or an http(s) URL. A failure keeps the earlier data,
    which then grow old, and is shown beside them.
    """
    routes = _routes()
    try:
        with _opened(source) as export:
            written_at = generated_at(export) or _modified_at(source) or now
            export.seek(0)
            count, found = _read(export, routes)
    except (OSError, UnreadableExportError, ValueError) as error:
        logger.warning("the RPKI export at %s cannot be read: %s", source, error)
        ValidatorExport.objects.update_or_create(
            pk=_ONLY, defaults={"failed_at": now, "failure": str(error)[:300]}
        )
        return
    _save(written_at, count, found)


def _routes() -> set[IPNetwork]:
    """The routes of all prefixes that are resources of any organization."""
    texts = (
        ProtectedResource.objects.filter(kind=ResourceKind.PREFIX)
        .values_list("value", flat=True)
        .distinct()
    )
    values = (Target.saved(ResourceKind.PREFIX, one).value for one in texts)
    return {route_for(one) for one in values if not isinstance(one, str)}


def _read(
    export: IO[bytes], routes: set[IPNetwork]
) -> tuple[int, dict[IPNetwork, tuple[Vrp, ...]]]:
    """How many payloads there are, and those that cover each route."""
    count = 0

    def counted() -> Iterator[Vrp]:
        nonlocal count
        for one in payloads(export):
            count += 1
            yield one

    found = covering(routes, counted())
    return count, found


@transaction.atomic
def _save(written_at: datetime, count: int, found: dict[IPNetwork, tuple[Vrp, ...]]) -> None:
    ValidatorExport.objects.update_or_create(
        pk=_ONLY,
        defaults={
            "generated_at": written_at,
            "payloads": count,
            "failed_at": None,
            "failure": "",
        },
    )
    RouteOrigins.objects.exclude(route__in=[str(one) for one in found]).delete()
    RouteOrigins.objects.bulk_create(
        [RouteOrigins(route=str(route), vrps=vrps) for route, vrps in found.items()],
        update_conflicts=True,
        update_fields=["vrps"],
        unique_fields=["route"],
        batch_size=500,
    )


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if not source.startswith(("http://", "https://")):
        path = Path(source)
        if path.stat().st_size > MAX_EXPORT_BYTES:
            raise OSError(f"it is larger than {MAX_EXPORT_BYTES} bytes")
        with path.open("rb") as export:
            yield export
        return
    with tempfile.TemporaryFile() as copy:
        _download(source, copy)
        copy.seek(0)
        yield copy


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """The operator named one address, and a validator must not send the portal to others."""

    def redirect_request(self, *_: object) -> None:
        """None: the answer is an error."""


_opener = urllib.request.build_opener(_NoRedirection)


def _download(url: str, copy: IO[bytes]) -> None:
    deadline = time.monotonic() + MAX_SECONDS
    with _opener.open(url, timeout=_STALLED_S) as answer:
        while chunk := answer.read(_CHUNK):
            copy.write(chunk)
            if copy.tell() > MAX_EXPORT_BYTES:
                raise OSError(f"it is larger than {MAX_EXPORT_BYTES} bytes")
            if time.monotonic() > deadline:
                raise OSError(f"it took longer than {MAX_SECONDS} s")


def _modified_at(source: str) -> datetime | None:
    """When the file was written, for a validator that does not say so itself."""
    if source.startswith(("http://", "https://")):
        return None
    return datetime.fromtimestamp(Path(source).stat().st_mtime, UTC)

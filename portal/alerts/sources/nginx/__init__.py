"""nginx: the lines of `limit_req` in the error log. The address in them is a client's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from portal.alerts.alert import Alert, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import printable
from portal.alerts.sources import web_server

_LINE: Final = re.compile(
    r"(?:limiting|delaying) requests?,(?P<dry> dry run,)? excess: [\d.]{1,20} "
    r'by zone "(?P<zone>[^"]{1,100})"'
)
_HOST: Final = re.compile(r', host: "(?P<host>[^"]{1,255})"')
_SERVER: Final = re.compile(r", server: (?P<host>[^,\s]{1,255})")


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    """Other lines of the error log are no alerts."""
    if not isinstance(record, str):
        raise UnmappableError(RejectionCode.WRONG_TYPE)
    match = _LINE.search(record)
    if match is None:
        return
    # The client writes the request line, which may have a `host` too; the last one is nginx's.
    named = [*_HOST.finditer(record)][-1:] or [*_SERVER.finditer(record, match.end())][:1]
    yield web_server.alert(
        host=named[0]["host"] if named else "",
        what=f"limit_req zone {match['zone']}{' (dry run)' if match['dry'] else ''}",
        text=printable(match[0]),
        settings=settings,
    )

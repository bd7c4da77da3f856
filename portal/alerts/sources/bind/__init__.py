"""BIND's response rate limiting, log category `rate-limit`.

The network in a line is the claimed client. In a reflection attack this is the forged address of
a victim elsewhere, so it is never a target: our name server is, which the endpoint knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import (
    Alert,
    AlertState,
    AttackDirection,
    MappingSettings,
    RejectionCode,
    UnmappableError,
)
from portal.alerts.fields import printable

_LINE: Final = re.compile(
    r"(?:^|\s)\*?(?P<would>would )?(?P<what>limit|continue limiting|\*?stop limiting) "
    r"(?P<kind>(?:[A-Za-z]{1,20} ){0,2})responses to (?P<client>[0-9A-Fa-f.:]{2,45}/\d{1,3})"
    r"(?P<name> for \S{1,255})?"
)
_STATES: Final = {"limit": AlertState.START, "continue limiting": AlertState.UPDATE}


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    """Other lines of the log are no alerts."""
    if not isinstance(record, str):
        raise UnmappableError(RejectionCode.WRONG_TYPE)
    match = _LINE.search(record)
    if match is None:
        return
    kind = f"{match['kind']}responses"
    yield Alert(
        event_id=meaning.identity(kind, match["client"], match["name"]),
        state=_STATES.get(match["what"], AlertState.END),
        targets=settings.default,
        protocols=(17,),
        vector=f"DNS {kind}{' (log only)' if match['would'] else ''}",
        direction=AttackDirection.INCOMING,
        text=printable(f"{kind}{match['name'] or ''}"),
    )

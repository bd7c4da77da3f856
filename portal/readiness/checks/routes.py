"""Whether providers could announce the routes of the resources: RPKI origin validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from portal.core.formatting import listed, plural
from portal.readiness.rows import CheckCode, Found, Row, State
from portal.rpki.origins import OriginCheck, Origins
from portal.rpki.validity import RouteValidity
from portal.wording import routes as words

MAX_NAMED: Final = 3


def routes(checks: Sequence[tuple[str, OriginCheck]], origins: Origins) -> Row:
    """`checks`: the short name of a provider, and one of the routes it would announce."""
    return Row(
        code=CheckCode.ROUTES,
        question="Providers may announce the routes",
        found=_found(checks, origins),
    )


def _found(checks: Sequence[tuple[str, OriginCheck]], origins: Origins) -> Found:
    age = " ".join(
        filter(None, (words.age(origins), words.read_failed(origins.failed_at, origins.now)))
    )
    if not origins.is_current:
        return Found(State.WARN, age, "the RPKI data are too old")
    invalid = [(name, one) for name, one in checks if one.validity == RouteValidity.INVALID]
    if invalid:
        named = [words.could_not(name, one) for name, one in invalid[:MAX_NAMED]]
        more = len(invalid) - len(named)
        rest = [f"And {more} more."] if more > 0 else []
        who = listed(dict.fromkeys(name for name, _ in invalid))
        return Found(
            State.WARN, " ".join([*named, *rest, age]), f"{who} could not announce some routes"
        )
    return Found(State.PASS, f"{_counts(checks)} {age}".strip())


def _counts(checks: Sequence[tuple[str, OriginCheck]]) -> str:
    counts = Counter(one.validity for _, one in checks)
    said = []
    if valid := counts[RouteValidity.VALID]:
        said.append(f"ROAs allow {plural(valid, 'route')}.")
    if free := counts[RouteValidity.NOT_FOUND]:
        verb = "has" if free == 1 else "have"
        said.append(f"{plural(free, 'route')} {verb} no ROA, so most networks accept any origin.")
    if unknown := counts[RouteValidity.UNKNOWN]:
        verb = "has" if unknown == 1 else "have"
        said.append(f"{plural(unknown, 'route')} {verb} not been looked up yet.")
    return " ".join(said) or "No resource is a prefix."

"""The settings of an endpoint as typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from django.http import QueryDict

from portal.alerts.endpoint_settings import MAX_HOSTS
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint
from portal.alerts.pollers import POLLERS
from portal.alerts.services.endpoints import EndpointWish
from portal.alerts.services.poll_settings import PollWish
from portal.core.errors import FieldError, Invalid
from portal.organizations.models import ProtectedResource

MAX_TYPED: Final = 10_000
"""Characters of one field."""
SPARE_ROWS: Final = 2
"""Empty rows for further names of web servers."""


@dataclass(frozen=True, slots=True)
class HostRow:
    """A web server's name, and the name of the resource behind it."""

    host: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointForm:
    """As typed, with what is wrong."""

    name: str = ""
    source: str = ""
    is_signed: bool = False
    signature_header: str = ""
    timestamp_header: str = ""
    default_resource: str = ""
    "its id; empty: none"
    hosts: tuple[HostRow, ...] = ()
    notices: str = ""
    "one per line"
    poll_url: str = ""
    poll_key_id: str = ""
    poll_secret: str = ""
    "only as typed: a saved one is never shown"
    errors: Mapping[str, str] = field(default_factory=dict)
    "by field"

    @classmethod
    def typed(cls, data: QueryDict) -> EndpointForm:
        def text(name: str) -> str:
            return data.get(name, "").strip()[:MAX_TYPED]

        pairs = zip(data.getlist("host"), data.getlist("host_resource"), strict=False)
        rows = (HostRow(host.strip()[:MAX_TYPED], own.strip()[:MAX_TYPED]) for host, own in pairs)
        return cls(
            name=text("name"),
            source=text("source"),
            is_signed=data.get("shown_by") == "signature",
            signature_header=text("signature_header"),
            timestamp_header=text("timestamp_header"),
            default_resource=text("default_resource"),
            hosts=tuple(row for row in rows if row.host or row.resource),
            notices=text("notices"),
            poll_url=text("poll_url"),
            poll_key_id=text("poll_key_id"),
            poll_secret=text("poll_secret"),
        )

    @classmethod
    def saved(cls, endpoint: AlertEndpoint, resources: Sequence[ProtectedResource]) -> EndpointForm:
        names = {one.pk: one.name for one in resources}
        return cls(
            name=endpoint.name,
            source=endpoint.source,
            is_signed=bool(endpoint.signature_header),
            signature_header=endpoint.signature_header,
            timestamp_header=endpoint.timestamp_header,
            default_resource=str(endpoint.default_resource_id or ""),
            hosts=tuple(HostRow(one.host, names.get(one.resource, "")) for one in endpoint.hosts),
            notices="\n".join(endpoint.notices),
            poll_url=endpoint.polled.url if endpoint.polled else "",
            poll_key_id=endpoint.polled.key_id if endpoint.polled else "",
        )

    @property
    def rows(self) -> list[HostRow]:
        """The names of web servers, and room for more."""
        return [*self.hosts, *[HostRow()] * min(SPARE_ROWS, MAX_HOSTS - len(self.hosts))]

    def with_errors(self, errors: Sequence[FieldError]) -> EndpointForm:
        found: dict[str, str] = {}
        for one in reversed(errors):
            name, _, item = one.field.replace("poll.", "poll_").partition(".")
            found[name] = f"{item}: {one.message}" if item else one.message
        return replace(self, errors=found)

    def wish(
        self, resources: Sequence[ProtectedResource], endpoint: AlertEndpoint | None = None
    ) -> EndpointWish:
        """What `endpoint`, or a new one, should be.

        :raises Invalid: a name of a resource, that does not exist.
        """
        source = AlertSource(endpoint.source if endpoint else self.source)
        if self.is_signed and not self.signature_header:
            raise Invalid.at(
                "signature_header", "blank", "Name the header that holds the signature."
            )
        return EndpointWish(
            name=self.name,
            source=None if endpoint else source,
            default_resource=self._default(),
            has_default_resource=True,
            hosts=self._hosts(resources),
            notices=self.notices.splitlines(),
            signature_header=self.signature_header if self.is_signed else "",
            timestamp_header=self.timestamp_header if self.is_signed else "",
            poll=self._poll(source, is_needed=endpoint is None or endpoint.polled is not None),
        )

    def _poll(self, source: AlertSource, *, is_needed: bool) -> PollWish | None:
        is_typed = self.poll_url or self.poll_key_id or self.poll_secret
        if source not in POLLERS or not (is_needed or is_typed):
            return None
        return PollWish(url=self.poll_url, key_id=self.poll_key_id, secret=self.poll_secret or None)

    def _default(self) -> UUID | None:
        if not self.default_resource:
            return None
        try:
            return UUID(self.default_resource)
        except ValueError:
            message = "Choose one of your verified resources."
            raise Invalid.at("default_resource", "not-verified", message) from None

    def _hosts(self, resources: Sequence[ProtectedResource]) -> dict[str, UUID]:
        ids = {one.name.casefold(): one.pk for one in resources}
        found: dict[str, UUID] = {}
        for row in self.hosts:
            if not row.host:
                raise Invalid.at("hosts", "blank", f"Name the web server of {row.resource}.")
            own = ids.get(row.resource.casefold())
            if own is None:
                message = f"“{row.resource}” is none of your verified resources."
                raise Invalid.at(f"hosts.{row.host}", "not-verified", message)
            found[row.host] = own
        return found

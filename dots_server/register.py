"""The mitigations a provider holds, and what it answers to requests about them (RFC 9132 section 4.4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from dots_client import (
    INDEFINITE,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    DecodeError,
    MitigationReport,
    MitigationStatus,
    Scope,
)
from dots_client.server import (
    MitigatePath,
    Rng,
    decode_efficacy,
    decode_request,
    encode_reports,
    parse_content,
)
from dots_server.messages import Request, Response, cbor, text
from dots_server.mitigation import Mitigation
from dots_server.observers import Observers
from dots_server.targets import Entitlement, is_same_request, shared
from provider_simulator.behaviour import Behaviour
from provider_simulator.redirections import Redirections

Key = tuple[str, str, int]
"""Client, cuid and mid."""

MAX_CUIDS_PER_CLIENT: Final = 8
MAX_MITIGATIONS_PER_CLIENT: Final = 1000

EFFICACY_UNAVAILABLE: Final = (MitigationStatus.EXCEEDED_CAPABILITY, MitigationStatus.WITHDRAWN)
"""What has failed or cannot mitigate answers an efficacy update with 5.03 (RFC 9132 section 4.4.3)."""


class Register:
    """All mitigations of all clients."""

    def __init__(
        self, *, entitlements: Mapping[str, Entitlement], rng: Rng, observers: Observers
    ) -> None:
        self._entitlements = entitlements
        self._rng = rng
        self._observers = observers
        self._mitigations: dict[Key, Mitigation] = {}
        self._of_client: dict[str, list[Mitigation]] = defaultdict(list)
        self._cuid_owners: dict[str, str] = {}
        self._redirections = Redirections()

    def __iter__(self) -> Iterator[Mitigation]:
        return iter(tuple(self._mitigations.values()))

    def find(self, client: str, cuid: str, mid: int) -> Mitigation | None:
        return self._mitigations.get((client, cuid, mid))

    def of_cuid(self, client: str, cuid: str, mid: int | None) -> list[Mitigation]:
        """The one with this mid, or all of the cuid."""
        if mid is None:
            return [held for held in self.of_client(client) if held.cuid == cuid]
        held = self.find(client, cuid, mid)
        return [] if held is None else [held]

    def of_client(self, client: str) -> list[Mitigation]:
        return list(self._of_client.get(client, ()))

    def is_mitigating_for(self, client: str) -> bool:
        return any(held.is_active for held in self.of_client(client))

    def is_known(self, client: str) -> bool:
        return client in self._entitlements

    def remove(self, mitigation: Mitigation) -> None:
        del self._mitigations[mitigation.client, mitigation.cuid, mitigation.mid]
        self._of_client[mitigation.client].remove(mitigation)

    def forget_mitigations(self) -> None:
        self._mitigations.clear()
        self._of_client.clear()

    def forget_everything(self) -> None:
        self.forget_mitigations()
        self._cuid_owners.clear()
        self._redirections.forget()

    # Reading and ending

    def get(
        self,
        request: Request,
        path: MitigatePath,
        client: str,
        *,
        now: float,
        leaving_out: int | None = None,
    ) -> Response:
        """The mitigation under a mid, or all of the cuid except the ignored mid."""
        found = [
            held
            for held in self.of_cuid(client, path.cuid, path.mid)
            if path.mid is not None or held.mid != leaving_out
        ]
        if not found:
            wanted = "no mitigation" if path.mid is None else f"mid {path.mid} is not"
            return text("4.04", f"{wanted} known")
        content = parse_content(request.queries)
        return cbor("2.05", encode_reports(held.report(now=now, content=content) for held in found))

    def delete(
        self, path: MitigatePath, client: str, *, now: float, behaviour: Behaviour
    ) -> Response:
        if path.mid is None:
            return text("4.00", "mid is missing from the path")
        held = self.find(client, path.cuid, path.mid)
        if held is not None and not (behaviour.keeps_preconfigured and held.is_armed):
            held.withdraw(now=now)
            self._changed(held)
        return Response(code="2.02")

    # Asking

    def put(
        self,
        request: Request,
        path: MitigatePath,
        client: str,
        *,
        now: float,
        behaviour: Behaviour,
    ) -> Response | None:
        """The answer to a request, refresh or efficacy update; None is silence."""
        if path.mid is None:
            return text("4.00", "mid is missing from the path")
        if self._cuid_owners.get(path.cuid, client) != client:
            # Nothing but the cause: RFC 9132 section 4.4.1.3.
            return _conflict(ConflictInformation(cause=ConflictCause.CUID_COLLISION))
        held = self.find(client, path.cuid, path.mid)
        if held is not None and held.is_gone:
            held = None
        if request.if_match:
            return self._efficacy(request, held, now=now, behaviour=behaviour)
        try:
            scope = decode_request(request.payload)
        except DecodeError as error:
            return text("4.00", str(error))
        if held is not None:
            return self._refresh(held, scope, now=now, behaviour=behaviour)
        return self._ask(scope, path.cuid, path.mid, client, now=now, behaviour=behaviour)

    def _efficacy(
        self, request: Request, held: Mitigation | None, *, now: float, behaviour: Behaviour
    ) -> Response | None:
        if request.if_match != (b"",):
            return text("4.12", "If-Match must be empty")
        if held is None:
            return None
        try:
            scope = decode_efficacy(request.payload, lifetime=held.scope.lifetime)
        except DecodeError as error:
            return text("4.00", str(error))
        if held.status in EFFICACY_UNAVAILABLE:
            return text("5.03", "cannot mitigate", max_age=behaviour.retry_after_s)
        response = self._refresh(held, scope, now=now, behaviour=behaviour)
        if response.is_success:
            held.efficacy = scope.attack_status
        return response

    def _refresh(
        self, held: Mitigation, scope: Scope, *, now: float, behaviour: Behaviour
    ) -> Response:
        if not is_same_request(held.scope, scope):
            return text("4.00", f"mid {held.mid} has another scope; a new one needs a higher mid")
        held.grant(scope.lifetime, now=now, behaviour=behaviour)
        if held.status is MitigationStatus.TERMINATING:
            held.resume(now=now)
            self._changed(held)
        elif behaviour.rearms_on_put and not (scope.trigger_mitigation or held.is_armed):
            held.rearm(now=now)
            self._changed(held)
        return self._granted("2.04", held, now)

    def _ask(
        self,
        scope: Scope,
        cuid: str,
        mid: int,
        client: str,
        *,
        now: float,
        behaviour: Behaviour,
    ) -> Response:
        refusal = self._refusal(
            scope, cuid, mid, client, now=now, behaviour=behaviour
        ) or self._conflict(scope, mid, client, now=now, behaviour=behaviour)
        if refusal is not None:
            return refusal
        self._cuid_owners[cuid] = client
        mitigation = Mitigation(
            client=client,
            cuid=cuid,
            mid=mid,
            scope=scope,
            now=now,
            rng=self._rng,
            behaviour=behaviour,
        )
        self._make_room(mitigation, now=now)
        self._mitigations[client, cuid, mid] = mitigation
        self._of_client[client].append(mitigation)
        self._changed(mitigation)
        return self._granted("2.01", mitigation, now)

    def _refusal(
        self,
        scope: Scope,
        cuid: str,
        mid: int,
        client: str,
        *,
        now: float,
        behaviour: Behaviour,
    ) -> Response | None:
        """Why this provider does not want the request, whatever else it holds."""
        if scope.acl_list:
            return self._filter_refusal(scope, client)
        if scope.targets.alias_name:
            return text("4.00", f"alias {scope.targets.alias_name[0]} was not made by this client")
        if (outside := self._entitlements[client].outside(scope.targets)) is not None:
            return text("4.00", f"{outside} is outside the domain of {client}")
        cuids = [known for known, owner in self._cuid_owners.items() if owner == client]
        if cuid not in cuids and len(cuids) >= MAX_CUIDS_PER_CLIENT:
            return text("4.29", "too many cuids", max_age=behaviour.retry_after_s)
        if len(self.of_client(client)) >= MAX_MITIGATIONS_PER_CLIENT:
            return text("4.29", "too many mitigations", max_age=behaviour.retry_after_s)
        if behaviour.redirect_to is not None and not self.is_mitigating_for(client):
            return self._redirections.answer(
                behaviour.redirect_to,
                client=client,
                cuid=cuid,
                mid=mid,
                now=now,
                behaviour=behaviour,
            )
        if behaviour.accept == "refuse":
            return _refused_by_operator(scope, behaviour)
        return None

    def _filter_refusal(self, scope: Scope, client: str) -> Response:
        """RFC 9133 section 3.2.1. There is no data channel, and so no filter to switch."""
        if not self.is_mitigating_for(client):
            return text("4.00", "filters are not switched while no mitigation is active")
        return text("4.04", f"no filter {scope.acl_list[0].acl_name} is known")

    def _conflict(
        self, scope: Scope, mid: int, client: str, *, now: float, behaviour: Behaviour
    ) -> Response | None:
        """4.09 for what overlaps an own higher mid, or what another client already has."""
        for held in self:
            both = shared(scope.targets, held.scope.targets)
            if both is None or held.is_gone:
                continue
            if held.client != client:
                if held.is_active and scope.trigger_mitigation:
                    held.conflict = ConflictInformation(
                        status=ConflictStatus.REQUEST_ACTIVE,
                        cause=ConflictCause.OVERLAPPING_TARGETS,
                        targets=both,
                    )
                    self._changed(held)
                    remaining = held.lifetime_remaining(now)
                    return _conflict(
                        ConflictInformation(
                            status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
                            cause=ConflictCause.OVERLAPPING_TARGETS,
                            retry_timer_s=behaviour.retry_after_s
                            if remaining == INDEFINITE
                            else remaining,
                            targets=both,
                        )
                    )
            elif held.mid > mid and _is_same_type(held.scope, scope):
                return _conflict(
                    ConflictInformation(
                        cause=ConflictCause.OVERLAPPING_TARGETS, targets=both, mid=held.mid
                    )
                )
        return None

    def _make_room(self, mitigation: Mitigation, *, now: float) -> None:
        """What the new request replaces or puts aside among the client's own."""
        for held in self.of_client(mitigation.client):
            if held.is_gone or shared(mitigation.scope.targets, held.scope.targets) is None:
                continue
            if _is_same_type(held.scope, mitigation.scope):
                if held.status is MitigationStatus.TERMINATING:
                    mitigation.terminating_factor = 2 * held.terminating_factor
                self._changed(held)
                self.remove(held)
            elif mitigation.scope.trigger_mitigation and held.is_active:
                held.deactivate(now=now)
                self._changed(held)

    def _granted(self, code: str, held: Mitigation, now: float) -> Response:
        report = MitigationReport(mid=held.mid, lifetime=held.lifetime_remaining(now))
        return cbor(code, encode_reports([report]))

    def _changed(self, held: Mitigation) -> None:
        self._observers.news_of(held.client, held.cuid, held.mid)


def _is_same_type(one: Scope, other: Scope) -> bool:
    return one.trigger_mitigation == other.trigger_mitigation


def _conflict(conflict: ConflictInformation) -> Response:
    return cbor("4.09", encode_reports([MitigationReport(conflict=conflict)]))


def _refused_by_operator(scope: Scope, behaviour: Behaviour) -> Response:
    if behaviour.refuse_code == "4.09":
        return _conflict(
            ConflictInformation(
                status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
                cause=ConflictCause.OVERLAPPING_TARGETS,
                retry_timer_s=behaviour.retry_after_s,
                targets=scope.targets,
            )
        )
    max_age = behaviour.retry_after_s if behaviour.refuse_code in ("4.29", "5.03") else None
    return text(behaviour.refuse_code, behaviour.refuse_reason, max_age=max_age)

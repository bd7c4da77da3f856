"""The simulated mitigator and policy: attacks, filters and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dots_client import ConflictCause, ConflictInformation, ConflictStatus, MitigationStatus
from dots_client.server import Rng
from dots_server.lifecycle import RUNNING
from dots_server.messages import Response, conflict, text
from dots_server.mitigation import Mitigation
from dots_server.mitigator import Counters, Mitigator
from dots_server.policy import Contracts, NewRequest
from dots_server.targets import Entitlement
from provider_simulator.behaviour import Behaviour
from provider_simulator.redirections import Redirections
from provider_simulator.traffic import Traffic

Status = MitigationStatus

COUNTERS_EVERY_S: Final = 1.0
"""Maximum age of counters: to compute them for every look would be most of the work."""
RECOVERY_SHARE: Final = 0.8
"""Status 4 ends at this share of the capability, so that the status does not flap."""

_FILTERING: Final = (Status.MITIGATING, Status.EXCEEDED_CAPABILITY)


class _Attack:
    """The attack on the targets of one mitigation."""

    def __init__(self, traffic: Traffic, *, status: Status, began_at: float) -> None:
        self.traffic = traffic
        self.status = status
        "of the mitigation; decides which share of the traffic is dropped"
        self.began_at = began_at
        self.is_frozen = False
        "the operator chose the status: the simulation does not change it"


class Play(Mitigator, Contracts):
    """A `Mitigator` and a `Policy` that follow `behaviour`."""

    def __init__(
        self, *, entitlements: Mapping[str, Entitlement], rng: Rng, behaviour: Behaviour
    ) -> None:
        Contracts.__init__(self, entitlements)
        self.behaviour = behaviour
        self.redirections = Redirections()
        self._rng = rng
        self._attacks: dict[Mitigation, _Attack] = {}

    def agree(self, client: str, entitlement: Entitlement) -> None:
        """From now on, the client may request protection for this, and for nothing else."""
        self._entitlements = {**self._entitlements, client: entitlement}

    # The mitigator

    def entered(self, mitigation: Mitigation, *, now: float) -> None:
        attack = self._attacks.get(mitigation)
        if attack is None:
            traffic = Traffic(now=now, rng=self._rng)
            attack = _Attack(traffic, status=mitigation.status, began_at=now)
            self._attacks[mitigation] = attack
        self._flow(attack, now)
        attack.status = mitigation.status
        if mitigation.status is Status.IN_PROGRESS:
            attack.began_at = now

    def next_status(self, mitigation: Mitigation, *, now: float) -> Status | None:
        attack = self._attacks[mitigation]
        if now - attack.traffic.at >= COUNTERS_EVERY_S:
            self._flow(attack, now)
        if attack.is_frozen:
            return None
        lasts_s = self.behaviour.attack_ends_after_s
        if lasts_s is not None and now >= attack.began_at + lasts_s:
            return Status.ATTACK_STOPPED
        is_ready = now >= mitigation.status_since + self.behaviour.status_delay_s
        if attack.status is Status.IN_PROGRESS and not is_ready:
            return None
        wanted = Status.EXCEEDED_CAPABILITY if self._is_exceeded(attack, now) else Status.MITIGATING
        return None if wanted is attack.status else wanted

    def next_check_at(self, mitigation: Mitigation, *, now: float) -> float | None:
        attack = self._attacks[mitigation]
        if attack.is_frozen:
            return None
        times: list[float] = []
        if attack.status is Status.IN_PROGRESS:
            times.append(mitigation.status_since + self.behaviour.status_delay_s)
        elif self.behaviour.capability_bps is not None:
            times.append(now + COUNTERS_EVERY_S)
        if self.behaviour.attack_ends_after_s is not None:
            times.append(attack.began_at + self.behaviour.attack_ends_after_s)
        return min(times, default=None)

    def counters(self, mitigation: Mitigation, *, now: float) -> Counters:
        attack = self._attacks[mitigation]
        if now - attack.traffic.at >= COUNTERS_EVERY_S:
            self._flow(attack, now)
        return Counters(
            bytes_dropped=attack.traffic.bytes_dropped,
            pkts_dropped=attack.traffic.pkts_dropped,
            bps_dropped=attack.traffic.bps_dropped,
            pps_dropped=attack.traffic.pps_dropped,
        )

    def removed(self, mitigation: Mitigation) -> None:
        del self._attacks[mitigation]

    def imposed(self, mitigation: Mitigation, *, now: float) -> None:
        """The operator set its status. The simulation continues from status 1 and 2 only."""
        attack = self._attacks[mitigation]
        attack.is_frozen = mitigation.status not in (Status.IN_PROGRESS, Status.MITIGATING)
        if mitigation.status in RUNNING:
            attack.began_at = now

    def _is_exceeded(self, attack: _Attack, now: float) -> bool:
        limit = self.behaviour.capability_bps
        if limit is None:
            return False
        is_exceeded = attack.status is Status.EXCEEDED_CAPABILITY
        return attack.traffic.bytes_per_s(now) > limit * (RECOVERY_SHARE if is_exceeded else 1)

    def _flow(self, attack: _Attack, now: float) -> None:
        share = 1.0 if attack.status in _FILTERING else 0.0
        if share and self.behaviour.capability_bps is not None:
            share = min(1.0, self.behaviour.capability_bps / attack.traffic.bytes_per_s(now))
        attack.traffic.flow(now=now, share=share)

    # The policy

    def refusal(self, request: NewRequest, *, now: float) -> Response | None:
        behaviour = self.behaviour
        if behaviour.redirect_to is not None and not request.is_mitigating:
            return self.redirections.answer(
                behaviour.redirect_to,
                client=request.client,
                cuid=request.cuid,
                mid=request.mid,
                now=now,
                behaviour=behaviour,
            )
        if behaviour.accept != "refuse":
            return None
        if behaviour.refuse_code == "4.09":
            return conflict(
                ConflictInformation(
                    status=ConflictStatus.REQUEST_INACTIVE_OTHER_ACTIVE,
                    cause=ConflictCause.OVERLAPPING_TARGETS,
                    retry_timer_s=behaviour.retry_after_s,
                    targets=request.scope.targets,
                )
            )
        max_age = behaviour.retry_after_s if behaviour.refuse_code in ("4.29", "5.03") else None
        return text(behaviour.refuse_code, behaviour.refuse_reason, max_age=max_age)

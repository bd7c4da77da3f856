"""The simulated provider without a network: a DOTS server that follows its behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dots_client import MitigationStatus, to_json
from dots_client.server import MITIGATION_SCOPE, Content, MitigatePath, Rng, encode_request
from dots_server.messages import Notification, Request, Response, text
from dots_server.mitigation import Mitigation
from dots_server.sessions import Session
from dots_server.signal_channel import SignalChannel
from dots_server.targets import Entitlement
from provider_simulator.behaviour import Behaviour
from provider_simulator.odd_reports import spoiled, without_mid
from provider_simulator.play import Play

_FLIPPED: Final[Mapping[MitigationStatus, MitigationStatus]] = {
    MitigationStatus.IN_PROGRESS: MitigationStatus.MITIGATING,
    MitigationStatus.MITIGATING: MitigationStatus.EXCEEDED_CAPABILITY,
    MitigationStatus.EXCEEDED_CAPABILITY: MitigationStatus.MITIGATING,
}


class Provider(SignalChannel):
    """The state of one provider. `now` is in seconds since 1970-01-01 UTC."""

    def __init__(
        self,
        *,
        entitlements: Mapping[str, Entitlement],
        rng: Rng,
        behaviour: Behaviour | None = None,
    ) -> None:
        behaviour = behaviour or Behaviour()
        self._play = Play(entitlements=entitlements, rng=rng, behaviour=behaviour)
        super().__init__(mitigator=self._play, policy=self._play, terms=behaviour)
        self._flips_sent = 0

    @property
    def behaviour(self) -> Behaviour:
        return self._play.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._play.behaviour = behaviour
        self.set_terms(behaviour)

    def agree(self, client: str, entitlement: Entitlement) -> None:
        """From now on, the client may request protection for this, and for nothing else."""
        self._play.agree(client, entitlement)

    # Deviations of deployed servers

    def answer_mitigate(
        self, session: Session, request: Request, path: MitigatePath, *, now: float
    ) -> Response | None:
        behaviour, ignored = self.behaviour, self.behaviour.ignored_mid
        if behaviour.accept == "silent" or (path.mid is not None and path.mid == ignored):
            return None
        if behaviour.hop_loop is not None:
            return text("5.08", behaviour.hop_loop)
        held = None if path.mid is None else self.register.find(session.client, path.cuid, path.mid)
        match request.method:
            case "GET" if behaviour.poll_code is not None:
                return text(behaviour.poll_code, "no status for now")
            case "GET" if ignored is not None:
                found = super().answer_mitigate(session, request, path, now=now)
                return None if found is None else without_mid(found, ignored)
            case "DELETE" if behaviour.keeps_preconfigured and held is not None and held.is_armed:
                return Response(code="2.02")
            case "PUT" if behaviour.rearms_on_put and held is not None and _may_rearm(held):
                answer = super().answer_mitigate(session, request, path, now=now)
                if answer is not None and answer.is_success:
                    self.impose(held, MitigationStatus.SIGNAL_LOSS, now=now)
                return answer
        return super().answer_mitigate(session, request, path, now=now)

    def read_mitigations(
        self, client: str, path: MitigatePath, content: Content, *, now: float
    ) -> Response:
        report = super().read_mitigations(client, path, content, now=now)
        return spoiled(report, self.behaviour.odd_report)

    def flips(self, *, now: float) -> Iterator[Notification]:
        """Notifications without end, however soon after the last ones: the status of each
        mitigation in turn alternates between 2 and 4.

        It ends if no observed mitigation runs.
        """
        while True:
            is_any = False
            for held in tuple(self.register):
                if held.status not in _FLIPPED:
                    continue
                flipped = _FLIPPED[held.status]
                self.set_status(held.cuid, held.mid, flipped, now=now)
                for observer in self.observers.of_client(held.client):
                    if observer.concerns(held.cuid, held.mid):
                        is_any = True
                        self._flips_sent += 1
                        yield self._notification(observer, now)
            if not is_any:
                return

    # The operator

    def set_status(
        self,
        cuid: str,
        mid: int,
        status: MitigationStatus,
        *,
        now: float,
        retry_timer_s: int | None = None,
    ) -> bool:
        """False if there is no such mitigation."""
        held = self.register.find(self.register.owner_of(cuid) or "", cuid, mid)
        if held is None:
            return False
        self.impose(held, status, now=now, retry_timer_s=retry_timer_s)
        self._play.imposed(held, now=now)
        return True

    def forget_everything(self) -> None:
        super().forget_everything()
        self._play.redirections.forget()

    def state(self, *, now: float) -> dict[str, Any]:
        """The state as JSON, for the control interface."""
        return {
            "mitigations": [self._mitigation_json(held, now) for held in self.register],
            "sessions": [session.as_json() for session in self.sessions.values()],
            "observers": len(self.observers),
            "requests_seen": self.requests_seen,
            "flips_sent": self._flips_sent,
        }

    def _mitigation_json(self, held: Mitigation, now: float) -> dict[str, Any]:
        """The scope has the names of RFC 9132."""
        counters = self._play.counters(held, now=now)
        return {
            "client": held.client,
            "cuid": held.cuid,
            "mid": held.mid,
            "scope": to_json(encode_request(held.scope))[MITIGATION_SCOPE]["scope"][0],
            "status": int(held.status),
            "lifetime_remaining": held.lifetime_remaining(now),
            "received_at": held.received_at,
            "attack_status": None if held.efficacy is None else int(held.efficacy),
            "bytes_dropped": counters.bytes_dropped,
            "pkts_dropped": counters.pkts_dropped,
        }


def _may_rearm(held: Mitigation) -> bool:
    """Whether it is a preconfigured one that a lost session started and that is not ending."""
    return not held.scope.trigger_mitigation and held.status not in (
        MitigationStatus.SIGNAL_LOSS,
        MitigationStatus.TERMINATING,
        MitigationStatus.TERMINATED,
    )

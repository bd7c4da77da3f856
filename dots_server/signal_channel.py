"""A mitigation provider's DOTS server without a network: requests and time in, answers and notifications out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dots_client import DecodeError, MitigationStatus
from dots_client.server import (
    CONFIG,
    HEARTBEAT,
    MITIGATE,
    PREFIX,
    ConfigPath,
    HeartbeatPath,
    MitigatePath,
    Rng,
    decode_heartbeat,
    parse_content,
    parse_path,
)
from dots_server.messages import DOTS_CBOR, Notification, Request, Response, text
from dots_server.mitigation import Mitigation
from dots_server.observers import GAP_WITHOUT_RTT_S, Observer, Observers
from dots_server.register import Register
from dots_server.sessions import Session
from dots_server.targets import Entitlement
from dots_server.throttle import Throttle
from provider_simulator.behaviour import Behaviour
from provider_simulator.odd_reports import spoiled

METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    MITIGATE: ("GET", "PUT", "DELETE"),
    CONFIG: ("GET", "PUT", "DELETE"),
    HEARTBEAT: ("PUT",),
}

Status = MitigationStatus


class Provider:
    """Everything one provider knows. `now` is in seconds since 1970-01-01 UTC."""

    def __init__(
        self,
        *,
        entitlements: Mapping[str, Entitlement],
        rng: Rng,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.observers = Observers()
        self.mitigations = Register(entitlements=entitlements, rng=rng, observers=self.observers)
        self.sessions: dict[int, Session] = {}
        self.requests_seen = 0
        self._throttle = Throttle()
        self._loss_at: dict[str, float] = {}
        self._notified_at: dict[int, float] = {}

    # Sessions

    def open_session(self, number: int, *, client: str, peer: str, now: float) -> None:
        self.sessions[number] = Session(
            number=number, client=client, peer=peer, opened_at=now, last_heard_at=now
        )

    def close_session(self, number: int) -> None:
        """The session is over. Whether its client is lost is known only after a while."""
        self.sessions.pop(number, None)
        self.observers.remove_session(number)
        self._notified_at.pop(number, None)

    def heard(self, number: int, *, now: float) -> None:
        """Anything authentic came on this session: it is not lost."""
        session = self.sessions[number]
        session.last_heard_at = now
        loss_at = session.loss_at(is_mitigating=self._is_mitigating(session))
        if loss_at is None:
            self._loss_at.pop(session.client, None)
        else:
            self._loss_at[session.client] = loss_at

    def heartbeats_due(self, *, now: float) -> list[tuple[int, bool]]:
        """Sessions to send a heartbeat to now, with the peer-hb-status to send."""
        if not self.behaviour.heartbeats:
            return []
        due = []
        for session in self.sessions.values():
            if session.liveness is not None and session.liveness.is_due(now=now):
                due.append((session.number, session.liveness.peer_hb_status(now=now)))
                session.liveness.configure(
                    session.liveness_parameters(is_mitigating=self._is_mitigating(session)),
                    now=now,
                )
                session.liveness.sent(now=now)
        return due

    def heartbeat_answered(self, number: int, *, now: float, rtt_s: float) -> None:
        session = self.sessions.get(number)
        if session is not None and session.liveness is not None:
            session.rtt_s = rtt_s
            session.liveness.answered(now=now)
            self.heard(number, now=now)

    # Requests

    def receive(self, number: int, request: Request, *, now: float) -> Response | None:
        """The answer to a request on session `number`; None is silence."""
        self.requests_seen += 1
        session = self.sessions[number]
        self.heard(number, now=now)
        operation = request.path[2] if len(request.path) > 2 else ""
        if request.path[:2] != PREFIX or operation not in METHODS:
            return text("4.04", f"/{'/'.join(request.path)} is not here")
        if request.method not in METHODS[operation]:
            return text("4.05", f"{request.method} is not for {operation}")
        if request.hop_limit == 0:
            return text("4.00", "a Hop-Limit of 0 is not for the wire")
        if request.method == "PUT" and request.content_format != DOTS_CBOR:
            return text("4.15", f"the Content-Format must be {DOTS_CBOR}")
        try:
            path = parse_path(request.path)
        except DecodeError as error:
            return text("4.00", str(error))
        if isinstance(path, HeartbeatPath):
            return self._receive_heartbeat(session, request, now=now)
        if not self.mitigations.is_known(session.client):
            return text("4.01", f"{session.client} has no contract with this provider")
        limit = self.behaviour.max_requests_per_s
        # Ending a mitigation is never throttled.
        if request.method != "DELETE" and not self._throttle.admits(session.client, limit, now=now):
            return text("4.29", "too many requests", max_age=1)
        if isinstance(path, ConfigPath):
            response = session.configuration.handle(request, path)
        else:
            answered = self._receive_mitigate(session, request, path, now=now)
            if answered is None:
                return None
            response = answered
        return self._observed(session, request, path, response, now=now)

    def _receive_heartbeat(
        self, session: Session, request: Request, *, now: float
    ) -> Response | None:
        if not self.behaviour.heartbeats:
            return None
        try:
            heartbeat = decode_heartbeat(request.payload)
        except DecodeError as error:
            return text("4.00", str(error))
        session.heartbeat_received(
            now=now,
            is_seen=heartbeat.peer_hb_status,
            is_mitigating=self._is_mitigating(session),
        )
        self.heard(session.number, now=now)
        return Response(code="2.04")

    def _receive_mitigate(
        self, session: Session, request: Request, path: MitigatePath, *, now: float
    ) -> Response | None:
        ignored = self.behaviour.ignored_mid
        if self.behaviour.accept == "silent" or (path.mid is not None and path.mid == ignored):
            return None
        if self.behaviour.hop_loop is not None:
            return text("5.08", self.behaviour.hop_loop)
        # A cdid from a client itself is ignored: no gateway is trusted here.
        match request.method:
            case "GET" if self.behaviour.poll_code is not None:
                return text(self.behaviour.poll_code, "no status for now")
            case "GET":
                found = self.mitigations.get(
                    request, path, session.client, now=now, leaving_out=ignored
                )
                return spoiled(found, self.behaviour.odd_report)
            case "DELETE":
                return self.mitigations.delete(
                    path, session.client, now=now, behaviour=self.behaviour
                )
            case _:
                return self.mitigations.put(
                    request, path, session.client, now=now, behaviour=self.behaviour
                )

    def _observed(
        self,
        session: Session,
        request: Request,
        path: MitigatePath | ConfigPath,
        response: Response,
        *,
        now: float,
    ) -> Response:
        """Begin or end an observation, as the GET asks."""
        if request.method != "GET" or request.observe is None:
            return response
        if request.observe != 0 or not response.is_success or not self.behaviour.notify:
            self.observers.remove(session.number, request.token)
            return response
        self.observers.add(
            Observer(
                session=session.number,
                token=request.token,
                subject=(session.client, path.cuid, path.mid)
                if isinstance(path, MitigatePath)
                else None,
                content=parse_content(request.queries),
                last_sent_at=now,
            )
        )
        return replace(response, observe=self.observers.next_sequence())

    # Time

    def advance(self, *, now: float, client: str | None = None) -> list[Notification]:
        """Let time pass, for one client only if one is named; the notifications that are due."""
        for held in self.mitigations if client is None else self.mitigations.of_client(client):
            before = held.status
            held.advance(now=now, behaviour=self.behaviour)
            if held.status is not before:
                self.observers.news_of(held.client, held.cuid, held.mid)
            if held.is_removable(now):
                self.mitigations.remove(held)
                self.observers.news_of(held.client, held.cuid, held.mid)
        for lost, loss_at in tuple(self._loss_at.items()):
            if now >= loss_at:
                del self._loss_at[lost]
                self.lose_signal(lost, now=now)
        return self._notifications(now, client)

    def next_timer(self, *, now: float) -> float | None:
        """When to call `advance` and `heartbeats_due` at the latest."""
        times = [held.next_timer(self.behaviour) for held in self.mitigations]
        times += self._loss_at.values()
        if self.behaviour.heartbeats:
            times += [
                session.liveness.next_timer()
                for session in self.sessions.values()
                if session.liveness is not None
            ]
        if self.behaviour.notify:
            times += [
                self._due_at(observer)
                for observer in self.observers
                if observer.has_news or self._is_periodic(observer)
            ]
        return min((max(time, now) for time in times if time is not None), default=None)

    def lose_signal(self, client: str, *, now: float) -> None:
        """Nothing came for too long: what was armed for this moment starts."""
        armed = [held for held in self.mitigations.of_client(client) if held.is_armed]
        for held in armed:
            for active in self.mitigations.of_client(client):
                if active.is_active and active.shares_targets_with(held):
                    active.deactivate(now=now)
                    self.observers.news_of(client, active.cuid, active.mid)
        for held in armed:
            held.lose_signal(now=now)
            self.observers.news_of(client, held.cuid, held.mid)

    # Notifications

    def _notifications(self, now: float, client: str | None) -> list[Notification]:
        if not self.behaviour.notify:
            return []
        notifications = []
        for observer in self.observers:
            if client is not None and self.sessions[observer.session].client != client:
                continue
            is_wanted = observer.has_news or self._is_periodic(observer)
            if is_wanted and now >= self._due_at(observer):
                notifications.append(self._notification(observer, now))
        return notifications

    def _notification(self, observer: Observer, now: float) -> Notification:
        session = self.sessions[observer.session]
        observer.has_news = False
        observer.last_sent_at = now
        self._notified_at[observer.session] = now
        if observer.subject is None:
            session.configuration.has_changed = False
            response = session.configuration.report()
        else:
            client, cuid, mid = observer.subject
            query = Request(method="GET", path=(), queries=(f"c={observer.content.value}",))
            path = MitigatePath(cuid=cuid, mid=mid)
            found = self.mitigations.get(query, path, client, now=now)
            response = spoiled(found, self.behaviour.odd_report)
            for held in self._subjects(observer):
                held.reported()
        if response.is_success:
            response = replace(response, observe=self.observers.next_sequence())
        else:
            self.observers.remove(observer.session, observer.token)
        return Notification(
            session=observer.session,
            token=observer.token,
            response=response,
            is_last=not response.is_success,
        )

    def _is_periodic(self, observer: Observer) -> bool:
        """Whether there are counters to tell, or a change of configuration."""
        if observer.subject is None:
            return self.sessions[observer.session].configuration.has_changed
        return any(held.is_worth_repeating for held in self._subjects(observer))

    def _subjects(self, observer: Observer) -> list[Mitigation]:
        return [] if observer.subject is None else self.mitigations.of_cuid(*observer.subject)

    def _due_at(self, observer: Observer) -> float:
        session = self.sessions[observer.session]
        due_at = observer.due_at(interval_s=self.behaviour.notify_interval_s, rtt_s=session.rtt_s)
        if session.rtt_s is None and observer.session in self._notified_at:
            due_at = max(due_at, self._notified_at[observer.session] + GAP_WITHOUT_RTT_S)
        return due_at

    def _is_mitigating(self, session: Session) -> bool:
        return self.mitigations.is_mitigating_for(session.client)

    # The operator

    def set_status(
        self,
        cuid: str,
        mid: int,
        status: Status,
        *,
        now: float,
        retry_timer_s: int | None = None,
    ) -> bool:
        """What an operator decides for a mitigation; False when there is none."""
        found = [held for held in self.mitigations if (held.cuid, held.mid) == (cuid, mid)]
        for held in found:
            held.set_by_hand(status, now=now, retry_timer_s=retry_timer_s)
            self.observers.news_of(held.client, held.cuid, held.mid)
        return bool(found)

    def forget(self) -> None:
        """Lose the mitigations, keep the sessions. Observers learn of it."""
        for held in self.mitigations:
            self.observers.news_of(held.client, held.cuid, held.mid)
        self.mitigations.forget_mitigations()

    def crash(self) -> None:
        """Lose everything, as a process that dies does."""
        for number in tuple(self.sessions):
            self.close_session(number)
        self.mitigations.forget_everything()
        self._loss_at.clear()

    def state(self, *, now: float) -> dict[str, Any]:
        """What the provider believes, as JSON."""
        return {
            "mitigations": [held.as_json(now) for held in self.mitigations],
            "sessions": [
                {
                    "client": session.client,
                    "peer": session.peer,
                    "opened_at": session.opened_at,
                    "last_heard_at": session.last_heard_at,
                    "heartbeats_received": session.heartbeats_received,
                    "rtt_s": session.rtt_s,
                }
                for session in self.sessions.values()
            ],
            "observers": len(self.observers),
            "requests_seen": self.requests_seen,
        }
